#!/usr/bin/env bash
# Installs the project in fresh environments, both ways, and looks for `lottery` in twistd's list
# from another directory; builds the sdist and the wheel and looks for the plugin in them.
# Usage: packaging_check.sh PYTHON, a Python that has the module `build`.
set -euo pipefail

python=$(command -v "${1:-python3}")
case $python in /*) ;; *) python=$PWD/$python ;; esac
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# A copy, so that builds leave nothing behind and what is left in the folder does not help them.
copy=$scratch/project
mkdir "$copy"
(cd "$project" && tar -cf - --exclude=__pycache__ --exclude=dropin.cache \
    setup.py pyproject.toml LICENSE README.md lottery twisted) | tar -xf - -C "$copy"

for way in plain editable; do
    environment=$scratch/$way
    "$python" -m venv "$environment"
    flag=()
    if [ "$way" = editable ]; then flag=(-e); fi
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check "${flag[@]}" "$copy"
    mkdir "$scratch/elsewhere-$way"
    cd "$scratch/elsewhere-$way"
    commands=$("$environment/bin/twistd" --help)
    grep -E '^ +lottery ' <<<"$commands" \
        || { echo "twistd does not list lottery after a $way install"; exit 1; }
    "$environment/bin/lottery" --version
    "$environment/bin/python" -m pip uninstall --quiet --yes lottery-central
done

cd "$scratch"
"$python" -m build --outdir "$scratch/dist" "$copy" >"$scratch/build.log" 2>&1 \
    || { cat "$scratch/build.log"; exit 1; }
sdist=$(tar -tzf "$scratch"/dist/*.tar.gz)
wheel=$("$python" -m zipfile -l "$scratch"/dist/*.whl)
for file in twisted/plugins/lottery_plugin.py lottery/py.typed lottery/tap.py \
    lottery/ops/page/index.html lottery/ops/page/page.js; do
    grep -q "/$file\$" <<<"$sdist" || { echo "the sdist lacks $file"; exit 1; }
    grep -q "^$file " <<<"$wheel" || { echo "the wheel lacks $file"; exit 1; }
done
if grep -qE '^twisted/(plugins/)?__init__.py' <<<"$wheel"; then
    echo "the wheel would overwrite files of Twisted"
    exit 1
fi
echo "sdist and wheel hold the plugin"
