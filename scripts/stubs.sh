#!/usr/bin/env bash
# Generates the contract's Python, TypeScript and Go code from protos/.
#   scripts/stubs.sh           writes it into clients/
#   scripts/stubs.sh --check   changes nothing, and fails where clients/ is not what it would write
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PWD/clients/typescript/node_modules/.bin:$PATH"

# What these two plugins write differs from version to version; these are Debian 12's.
GO_PLUGINS='protoc-gen-go v1.28.1, protoc-gen-go-grpc 1.0'

protoc() {
  python -m grpc_tools.protoc -I protos "$@" protos/kaiwa/v1/*.proto
}

python_stubs() {
  protoc --python_out="$1" --grpc_python_out="$1" --mypy_out=quiet:"$1" --mypy_grpc_out=quiet:"$1"
}

typescript_stubs() {
  local options=outputServices=grpc-js,env=node,esModuleInterop=true,importSuffix=.js
  options+=,oneof=unions-value,useOptionals=messages,removeEnumPrefix=true,forceLong=bigint
  options+=,outputJsonMethods=false,outputPartialMethods=false
  protoc --ts_proto_out="$1" --ts_proto_opt="$options"
}

# The contract names no Go package, so that it favours no language; the names are given here.
go_stubs() {
  local options=module=kaiwa
  for file in protos/kaiwa/v1/*.proto; do
    options+=",M${file#protos/}=kaiwa/v1;kaiwav1"
  done
  protoc --go_out="$1" --go_opt="$options" --go-grpc_out="$1" --go-grpc_opt="$options"
}

have_go_plugins() {
  [ "$(protoc-gen-go --version 2>&1), $(protoc-gen-go-grpc --version 2>&1)" = "$GO_PLUGINS" ]
}

# Usage: stubs LANGUAGE ROOT FOLDER. All the code in ROOT/FOLDER is generated, but for __init__.py.
stubs() {
  local language=$1 root=$2 folder=$3
  local made="$scratch/$language"
  mkdir "$made"
  "${language}_stubs" "$made"
  if [ "$check" = yes ]; then
    diff -rq -x __init__.py -x __pycache__ "$made/$folder" "$root/$folder" || stale+=" $language"
  else
    find "$root/$folder" -type f ! -name __init__.py -delete
    cp -r "$made/$folder/." "$root/$folder"
  fi
}

check=no
[ "${1:-}" != --check ] || check=yes
stale=''
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

stubs python clients/python kaiwa/v1
stubs typescript clients/typescript/src kaiwa/v1
if have_go_plugins; then
  stubs go clients/go v1
else
  echo "Go: left as it is, for want of $GO_PLUGINS" >&2
fi
if [ -n "$stale" ]; then
  echo "Generated code is not up to date:$stale. Run: make stubs" >&2
  exit 1
fi
