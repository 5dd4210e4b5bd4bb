#!/usr/bin/env bash
# The environment .venv, from nothing or from whatever is there. Run again it does nothing, in a tenth of a second.
#   infra/setup.sh        what running Vitrine needs
#   infra/setup.sh dev    also what its tests, its training and its world need
# VITRINE_PYTHON=/path/to/python3.12 names the Python that .venv is made with; nothing else reads it.
set -euo pipefail
cd "$(dirname "$0")/.."

kind=${1:-run}
extras=""
[ "$kind" = dev ] && extras="[dev,train,world]"
python=.venv/bin/python
log=.venv/setup.log

say() { printf '\033[1m%s\033[0m\n' "vitrine set-up: $*"; }
fail() { printf '%s\n' "vitrine set-up failed: $1" "remedy: $2" >&2; exit 1; }

suitable() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; }

find_python() {
    for candidate in "${VITRINE_PYTHON:-}" python3.11 python3.12 python3.13 python3; do
        if [ -n "$candidate" ] && suitable "$candidate"; then echo "$candidate"; return; fi
    done
    fail "no Python from 3.11 to 3.13 was found" "install one (with its venv module), or name it: VITRINE_PYTHON=/path/to/python3.12"
}

find_compiler() {
    for candidate in "${CXX:-}" c++ g++ clang++; do
        if [ -n "$candidate" ] && command -v "$candidate" >/dev/null; then return; fi
    done
    fail "no C++ compiler was found; llama-cpp-python is built from source" \
         "install one: apt-get install g++, dnf install gcc-c++, or xcode-select --install"
}

# What must change for set-up to run again: the two lists of packages and this file.
fingerprint() { cat pyproject.toml constraints.txt infra/setup.sh infra/kafka-jars.sha256 | cksum; }

stamped() { [ -f ".venv/stamp-$1" ] && [ "$(cat ".venv/stamp-$1")" = "$(fingerprint)" ] && [ -x .venv/bin/vitrine ]; }

# A torch that is there is kept, in whatever version and build: then nothing of its family is pinned.
constraints() {
    if "$python" -c 'import importlib.util as u, sys; sys.exit(u.find_spec("torch") is None)'; then
        grep -v -E '^(torch|triton|nvidia-|cuda-)' constraints.txt > .venv/constraints.txt
        "$python" -c 'from importlib.metadata import version; print("torch==" + version("torch"))' >> .venv/constraints.txt
    else
        cp constraints.txt .venv/constraints.txt
    fi
}

install() { "$python" -m pip install --disable-pip-version-check --no-input --constraint .venv/constraints.txt "$@" 2>&1 | tee -a "$log" | progress; }

# One line for each package that is fetched, and each tenth of a build.
progress() {
    awk '/^ *(Downloading|Building wheel|Using cached) / && !/metadata/ {print "  " $1, $2, $3, $4; fflush()}
         match($0, /\[[0-9]+\/[0-9]+\]/) {split(substr($0, RSTART + 1, RLENGTH - 2), n, "/"); tenth = int(10 * n[1] / n[2])
             if (tenth != last) {printf "  compiled %d of %d files\n", n[1], n[2]; fflush(); last = tenth}}
         /^Installing collected packages/ {print "  unpacking what was fetched"; fflush()}
         /^ *(ERROR|error:)/ {print; fflush()}'
}

build_llama() {
    wanted=$(sed -n 's/^llama-cpp-python==//p' constraints.txt)
    if "$python" -c "from importlib.metadata import version; assert version('llama-cpp-python') == '$wanted'" 2>/dev/null; then return; fi
    cores=$(getconf _NPROCESSORS_ONLN)
    say "building llama-cpp-python $wanted from source on $cores cores (6 minutes on two, seconds where pip has it cached)"
    CMAKE_ARGS="${CMAKE_ARGS:-} -DLLAVA_BUILD=OFF" CMAKE_BUILD_PARALLEL_LEVEL="$cores" install --verbose "llama-cpp-python==$wanted" ||
        fail "llama-cpp-python could not be built" "read $log; a missing C++ compiler or too little memory are the usual causes"
}

stamped "$kind" && exit 0
[ "$kind" = run ] && stamped dev && exit 0
find_compiler
if ! { [ -x "$python" ] && suitable "$python"; }; then
    base=$(find_python)
    say "making .venv with $("$base" --version)"
    "$base" -m venv .venv || fail "the environment could not be made" "install Python's venv module (Debian: apt-get install python3-venv)"
fi
: > "$log"
constraints
say "installing Python packages (about 2 minutes on a fast network; on Linux the index serves torch with CUDA, 4.7 GB on disk)"
install pip setuptools wheel || fail "pip could not be updated" "check the network, then read $log"
build_llama
install --editable ".$extras" || fail "the packages could not be installed" "check the network, then read $log"
say "preparing the broker (44 MB the first time, half a minute)"
"$python" -m infra.prepare || fail "the embedded Kafka could not be prepared" "see above"
fingerprint > ".venv/stamp-$kind"
say "done"
