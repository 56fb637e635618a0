#!/usr/bin/env bash
# Makes the virtual environment .venv with everything Kaiwa needs, or says what is missing.
#   scripts/setup.sh run    what the services and the client need
#   scripts/setup.sh training  the same, and what makes the small model: packages and voices
#   scripts/setup.sh dev    all of it, and the tools of the tests, with the reference package
set -euo pipefail
cd "$(dirname "$0")/.."
role=${1:-run}
stamp=".venv/.installed-$role"

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
die() { say "$*"; exit 1; }

can_install() {
  command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
}

# Installs Debian packages where this user may, and otherwise says the command that would.
need_debian() {
  local why=$1; shift
  local as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo -n)
  if can_install; then
    say "Installing $* ($why)"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null
  else
    die "$why needs $*. Install it and run this again:  sudo apt-get install -y $*"
  fi
}

find_python() {
  for python in python3.13 python3.12 python3.11 python3; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$python"
      return
    fi
  done
}

has_libopus() {
  .venv/bin/python -c 'import ctypes.util, sys; sys.exit(ctypes.util.find_library("opus") is None)'
}

has_python_headers() {
  .venv/bin/python -c 'import sysconfig, pathlib, sys
sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())'
}

python=$(find_python)
if [ -z "$python" ] && ! command -v python3 >/dev/null; then
  need_debian "Kaiwa" python3 python3-venv
  python=$(find_python)
fi
[ -n "$python" ] || die "Kaiwa needs Python 3.11 or newer; this machine has $(python3 --version)." \
  "Debian 12 and Ubuntu 24.04 bring one; on Ubuntu 22.04:  sudo apt-get install -y python3.11 python3.11-venv"

if [ ! -x .venv/bin/pip ]; then
  rm -rf .venv
  # Debian keeps what makes an environment in a package of its own, and says so at length.
  if ! "$python" -m venv .venv >/dev/null 2>&1; then
    need_debian "The virtual environment" "${python##*/}-venv"
    "$python" -m venv .venv
  fi
fi

if ! command -v c++ >/dev/null && can_install; then
  need_debian "Fast steps on a CPU" g++
fi

# The voice Pico comes as source alone.
if [ "$role" != run ] && ! has_python_headers; then
  need_debian "Building the voice Pico" g++ "${python##*/}-dev"
fi

sources=(pyproject.toml constraints.txt services/build_kernels.py services/kaiwa_server/kernels/*.{cpp,h})
if [ ! -e "$stamp" ] || [ -n "$(find "${sources[@]}" -newer "$stamp")" ]; then
  say "Installing Python packages into .venv (a few minutes the first time)"
  .venv/bin/pip install -q --disable-pip-version-check --upgrade 'pip>=25.1'
  # torch first and by its exact version: a plain "torch" would look for another build.
  .venv/bin/pip install -q --progress-bar on $(grep '^torch==' constraints.txt)
  .venv/bin/pip install -q --progress-bar on -c constraints.txt -e '.[all]'
  if [ "$role" = training ]; then
    .venv/bin/pip install -q -c constraints.txt --group training
  fi
  if [ "$role" = dev ]; then
    .venv/bin/pip install -q -c constraints.txt --group dev
    # The reference that the parity tests compare with. Its pins exclude our torch; it runs on it.
    .venv/bin/pip install -q --no-deps -c constraints.txt moshi
  fi
  # Who can test can also run.
  touch "$stamp" .venv/.installed-run
fi

command -v c++ >/dev/null || say "Without a C++ compiler steps on a CPU take two to three times as long." \
  "To have them fast:  sudo apt-get install -y g++ && touch services/build_kernels.py, and this again"
has_libopus || need_debian "Opus audio" libopus0

voices=(espeak-ng flite festival htsengine festvox-us-slt-hts festvox-kallpc16k festvox-kdlpc16k
  festvox-czech-dita festvox-czech-krb festvox-czech-machac festvox-czech-ph
  festvox-suopuhe-lj festvox-suopuhe-mv festvox-italp16k festvox-itapc16k festvox-hi-nsk)
if [ "$role" = training ] && ! dpkg -s "${voices[@]}" >/dev/null 2>&1; then
  need_debian "The synthetic voices" "${voices[@]}"
fi

if [ "$role" = dev ]; then
  command -v npm >/dev/null || need_debian "The TypeScript example" nodejs npm
  # Without these the tests of the Go, Java and C++ examples, of the web page and of the compose and
  # Prometheus files are skipped.
  extras=(chromium docker-compose prometheus protoc-gen-go protoc-gen-go-grpc golang-google-grpc-dev
    golang-google-protobuf-dev golang-github-golang-protobuf-1-5-dev "${voices[@]}"
    cmake g++ libgrpc++-dev libprotobuf-dev protobuf-compiler-grpc
    default-jdk-headless protobuf-compiler protobuf-compiler-grpc-java-plugin libgrpc-java libprotobuf-java
    libguava-java libnetty-java libperfmark-java libgeronimo-annotation-1.3-spec-java)
  if ! dpkg -s "${extras[@]}" >/dev/null 2>&1; then
    # One of them is a daemon, so a person is asked; a build machine is not.
    if [ -n "${CI:-}" ] && can_install; then
      need_debian "Testing every client and manifest" "${extras[@]}"
    else
      say "Some tests will be skipped. To run them too:  sudo apt-get install -y ${extras[*]}"
    fi
  fi
fi
