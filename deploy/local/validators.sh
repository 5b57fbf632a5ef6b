#!/usr/bin/env bash
# Installs below target/validators what judges the files of deploy/: kubectl (for kustomize), the schemas of Kubernetes and Compose,
# hadolint, AsyncAPI's parser. deploy/local/validators names them and their versions; what is there already is left as it is.
#
# usage: validators.sh
#
# Afterwards target/validators/bin holds kubectl, kubernetes-validate, check-jsonschema, hadolint, asyncapi and yaml-as-json.
set -euo pipefail

HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/settings.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/process.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/launcher.sh"

SOURCES=$HERE/validators
VALIDATORS=$REPOSITORY/target/validators

main() {
    local began log=$VALIDATORS/install.log
    (($# == 0)) || fail "$USAGE" "there are no arguments, so not \`$*\`"
    mkdir -p "$VALIDATORS"
    # Two test runs may want them at the same moment.
    exec 8>"$VALIDATORS/install.lock"
    flock 8
    if is_here; then
        return 0
    fi
    began=$(now_ms)
    say "installing what judges the files of deploy/"
    rm -rf "${VALIDATORS:?}"/{python,asyncapi,bin,made-of}
    if ! install </dev/null >"$log" 2>&1; then
        show_end_of "$log"
        fail "$UNAVAILABLE" "what \`deploy/local/validators\` names cannot be installed: the lines above say why"
    fi
    # Last, as it is what says that all is here.
    made_of >"$VALIDATORS/made-of"
    say "installed in $(seconds_since "$began") s"
}

is_here() {
    [[ -e $VALIDATORS/made-of ]] && made_of | cmp --silent - "$VALIDATORS/made-of"
}

made_of() {
    (cd "$HERE" && find validators validators.sh -type f | LC_ALL=C sort | xargs sha256sum)
    # The programs name the place that they were installed at.
    echo "$VALIDATORS"
}

install() {
    local python=$VALIDATORS/python/bin asyncapi=$VALIDATORS/asyncapi program
    python3 -m venv "$VALIDATORS/python" &&
        "$python/pip" --disable-pip-version-check install --requirement "$SOURCES/requirements.txt" || return
    mkdir -p "$asyncapi" "$VALIDATORS/bin" &&
        cp "$SOURCES/package.json" "$SOURCES/package-lock.json" "$SOURCES/asyncapi.js" "$asyncapi" &&
        # Packages are files to read here: no script of theirs is run.
        PATH=$python:$PATH npm ci --prefix "$asyncapi" --ignore-scripts --no-audit --no-fund || return
    for program in kubectl kubernetes-validate check-jsonschema hadolint; do
        ln -s "$python/$program" "$VALIDATORS/bin/$program" || return
    done
    launcher "$VALIDATORS/bin/asyncapi" "$python/node" "$asyncapi/asyncapi.js"
    launcher "$VALIDATORS/bin/yaml-as-json" "$python/python" -c 'import json, sys, yaml; json.dump(list(yaml.safe_load_all(sys.stdin)), sys.stdout)'
}

main "$@"
