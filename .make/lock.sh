#!/bin/sh
# Writes requirements.txt and requirements-dev.txt: exact versions with hashes, for every platform and
# Python from 3.11 on, without any address. Arguments: the Python to use, then options for uv.
set -eu
python=$1
shift

lock() {
    file=$1
    shift
    # What is locked already stays, unless uv is told otherwise.
    "$python" -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-annotate --no-header --output-file "$file" "$@" >/dev/null
    {
        echo "# Written by 'make lock' from pyproject.toml. Do not edit."
        cat "$file"
    } >"$file.new"
    mv "$file.new" "$file"
}

lock requirements.txt pyproject.toml "$@"
lock requirements-dev.txt --group dev --constraints requirements.txt pyproject.toml "$@"
