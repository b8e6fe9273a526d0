"""Connecting as browsers do: by session cookie, with a rule that asks the database."""

import secrets

from tests.benchmarks.commands import endpoint_of, opening
from tests.benchmarks.load import crowd
from tests.benchmarks.plan import Plan
from tests.benchmarks.processes import running
from tests.benchmarks.report import Figure
from tests.benchmarks.windows import DEADLINE_SECONDS, Watch

SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings_login"}
# A room of the demo: whether it is there is what the chat's rule asks the database. In `chat:lobby` each
# client would be announced to all others, and that fan-out would be most of what is measured.
TOPIC = "typing:lobby"


async def connect(plan: Plan) -> list[Figure]:
    """Upgrade, connect by cookie, subscribe by a rule with the ORM, 64 clients at a time."""
    key, count = secrets.token_hex(16), plan.sizes.connects
    async with running(
        plan.server,
        cores=plan.cores,
        environment=SETTINGS,
        prepare=["-m", "tests.benchmarks.sign_in", key],
    ) as server:
        endpoint = endpoint_of(server, cookie=f"sessionid={key}")
        async with crowd(endpoint) as clients:
            await clients.add_subscribers([opening(TOPIC)] * 50, within_seconds=DEADLINE_SECONDS)
            plan.progress(f"connect by cookie: {count:,} connections")
            watch = Watch(server)
            await clients.add_subscribers([opening(TOPIC)] * count, within_seconds=DEADLINE_SECONDS)
            window = watch.end(answers=count, deliveries=0)
            clients.check_alive()
    cost = window.per_answer()
    measure = "connect by session cookie + rule with the ORM + subscribe"
    return [
        plan.figure(measure, "per second of CPU", 1e6 / cost.total, "/s", note=window.busy()),
        plan.figure(measure, "user CPU each", cost.user, "µs"),
        plan.figure(measure, "system CPU each", cost.system, "µs"),
    ]
