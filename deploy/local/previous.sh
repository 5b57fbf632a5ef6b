#!/usr/bin/env bash
# Builds the release before this one, named in previous_release, from the repository's own history, for the tests that run both side
# by side. Only our own package is compiled: whatever else it is made of is linked from this release's target folder.
#
# usage: previous.sh [debug|release]   debug without an argument
#
# Afterwards target/previous/COMMIT/PROFILE/orderstream is the program. Exit code 69 where the history does not reach back to it.
set -euo pipefail

HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/settings.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/process.sh"

main() {
    local profile=${1:-debug} commit aside began log
    [[ $# -le 1 && $profile =~ ^(debug|release)$ ]] || fail "$USAGE" "the only argument is \`debug\` or \`release\`, not \`$*\`"
    commit=$(grep -v '^#' "$HERE/previous_release")
    [[ $commit =~ ^[0-9a-f]{40}$ ]] || fail "$CONFIGURATION" "previous_release names \`$commit\`: give the whole id of one commit"
    aside=$REPOSITORY/target/previous/$commit
    [[ ! -x $aside/$profile/orderstream ]] || return 0
    git -C "$REPOSITORY" cat-file -e "$commit^{commit}" 2>/dev/null || fail "$UNAVAILABLE" \
        "the history that is here does not hold the release before this one ($commit): a shallow clone gets it by \`git fetch --unshallow\`"
    began=$(now_ms) log=$aside/$profile.log
    rm -rf "$aside/tree" "$aside/target"
    mkdir -p "$aside/tree" "$aside/$profile"
    git -C "$REPOSITORY" archive "$commit" | tar -x -C "$aside/tree"
    with_our_profiles "$aside/tree/Cargo.toml"
    link_what_is_built "$profile" "$aside/target"
    if ! build "$profile" "$aside" >"$log" 2>&1; then
        show_end_of "$log"
        fail "$UNAVAILABLE" "release $commit cannot be built: the lines above say why"
    fi
    # By its last name at the very end, as that is what says that it is here.
    cp "$aside/target/$profile/orderstream" "$aside/$profile/orderstream.new"
    mv "$aside/$profile/orderstream.new" "$aside/$profile/orderstream"
    rm -rf "$aside/tree" "$aside/target"
    say "release ${commit:0:7} is ready after $(seconds_since "$began") s"
}

# Packages that another profile built are not fresh; the profiles are the end of a Cargo.toml.
with_our_profiles() {
    sed -i '/^\[profile/,$d' "$1"
    sed -n '/^\[profile/,$p' "$REPOSITORY/Cargo.toml" >>"$1"
}

# What other packages are built to, hard-linked: cargo finds it fresh and only reads it. Copied where the file systems differ.
link_what_is_built() {
    local built=${CARGO_TARGET_DIR:-$REPOSITORY/target}/$1 into=$2/$1 folder
    mkdir -p "$into"
    for folder in deps build .fingerprint; do
        [[ -d $built/$folder ]] || continue
        cp -al "$built/$folder" "$into/" 2>/dev/null || { rm -rf "${into:?}/$folder" && cp -a "$built/$folder" "$into/"; }
        # Our own packages' sources lie elsewhere.
        find "$into/$folder" -maxdepth 1 \( -name 'orderstream*' -o -name 'liborderstream*' -o -name 'it-*' -o -name 'harness-*' \) \
            -exec rm -rf {} +
    done
}

# The whole workspace's features, as they are what the packages were built with.
build() {
    local -a profile=()
    [[ $1 != release ]] || profile=(--release)
    cd "$2/tree"
    CARGO_TARGET_DIR=$2/target cargo build --locked --workspace --bin orderstream "${profile[@]}"
}

main "$@"
