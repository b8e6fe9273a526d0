"""centrifuge-python's own test suite, as its authors published it: fetched, checked, pointed at a server.

It is no part of this project, so it comes from the package index that pip is configured for, once,
into pytest's cache.
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "0.7.0"
SHA256 = "11252b45c3f6b6104cfb07fb0fcfc9d2d62832d2af14715dd16fdc5e9c6e5964"
SDIST = f"centrifuge_python-{VERSION}.tar.gz"
DOWNLOAD_TIMEOUT_SECONDS = 120

# The suite waits for publications without a deadline: a missing feature hangs it.
SUITE_TIMEOUT_SECONDS = 120
# The only files that talk to a live server in the part that is run here.
NAMES_THE_SERVER = ("tests/test_client.py", "tests/centrifugo.py")
SERVER_IN_SUITE = "localhost:8000"

# Where a second client comes although the first one's subscription may not stand yet. One process
# happens to answer them in that order; two answer each at its own time. Elsewhere the suite waits itself.
IMPATIENT = "        await sub1.subscribe()\n        await client2.connect()\n"
PATIENT = "        await sub1.subscribe()\n        await sub1.ready()\n        await client2.connect()\n"
TIMES_IMPATIENT = 3


def fetch_sdist(cache: Path) -> Path:
    """The source archive, from `cache` or the package index. Raises RuntimeError where it cannot be had."""
    archive = cache / SDIST
    if not archive.exists():
        # Two test processes may get here at once: each downloads for itself, the last one stays.
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            _download(Path(folder))
            (Path(folder) / SDIST).replace(archive)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != SHA256:
        archive.unlink()
        raise RuntimeError(f"{SDIST} has SHA-256 {digest}, expected {SHA256}. It is not what was published.")
    return archive


def _download(folder: Path) -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input",
            "--no-deps", "--no-binary", "centrifuge-python", "--dest", folder,
            f"centrifuge-python=={VERSION}",
        ],
        capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_SECONDS, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(
            f"pip cannot download the source of centrifuge-python {VERSION}, whose own tests are run "
            f"against the server. Make its package index reachable and test again. pip said:\n{done.stderr}"
        )


def unpack(archive: Path, folder: Path, *, port: int) -> Path:
    """The suite in `folder`, made to talk to `port` of this machine."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    suite = folder / SDIST.removesuffix(".tar.gz")
    for name in NAMES_THE_SERVER:
        path = suite / name
        text = path.read_text()
        if SERVER_IN_SUITE not in text:
            raise RuntimeError(f"{name} does not name {SERVER_IN_SUITE}: the suite is not the one expected.")
        path.write_text(text.replace(SERVER_IN_SUITE, f"127.0.0.1:{port}"))
    # The installed package is what is tested with, not the copy beside the tests.
    shutil.rmtree(suite / "centrifuge")
    return suite


def add_missing_waits(suite: Path) -> None:
    """For a server of several processes."""
    path = suite / "tests/test_client.py"
    text = path.read_text()
    if text.count(IMPATIENT) != TIMES_IMPATIENT:
        raise RuntimeError(f"{path.name} is not the one expected: see IMPATIENT.")
    path.write_text(text.replace(IMPATIENT, PATIENT))


def run(suite: Path) -> subprocess.CompletedProcess[str]:
    """Runs its live tests. Raises subprocess.TimeoutExpired where one hangs."""
    return subprocess.run(
        [sys.executable, "-m", "unittest", "--verbose", "tests.test_client"],
        cwd=suite,
        capture_output=True, text=True, timeout=SUITE_TIMEOUT_SECONDS, check=False,
    )  # fmt: skip
