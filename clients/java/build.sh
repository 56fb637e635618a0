#!/bin/sh
# Builds the contract and the example with the packages of Debian 12 alone (README.md names them).
#   ./build.sh [FOLDER]    makes kaiwa.jar and talk.jar in FOLDER, or in build/
set -eu
folder=${1:-$(dirname "$0")/build}
rm -rf "$folder/kaiwa" "$folder/talk"
mkdir -p "$folder/kaiwa" "$folder/talk/classes"
folder=$(cd "$folder" && pwd)
cd "$(dirname "$0")"

# What the contract's code calls, and all that those call in turn.
libraries='grpc-api grpc-context grpc-core grpc-netty grpc-protobuf grpc-protobuf-lite grpc-stub guava
  netty-buffer netty-codec netty-codec-http netty-codec-http2 netty-codec-socks netty-common
  netty-handler netty-handler-proxy netty-resolver netty-transport perfmark-api protobuf'
# What its compiler reads besides, and no program does.
annotations=/usr/share/java/geronimo-annotation-1.3-spec.jar

# A jar that names the others is all that a program needs on its class path.
class_path=$annotations
printf 'Class-Path: \n' >"$folder/kaiwa/manifest"
for library in $libraries; do
  printf '  /usr/share/java/%s.jar\n' "$library" >>"$folder/kaiwa/manifest"
  class_path=$class_path:/usr/share/java/$library.jar
done

protoc -I ../../protos --plugin=protoc-gen-grpc-java="$(command -v grpc_java_plugin)" \
  --java_out="$folder/kaiwa" --grpc-java_out="$folder/kaiwa" ../../protos/kaiwa/v1/*.proto
javac --release 17 -cp "$class_path" -d "$folder/kaiwa/classes" "$folder"/kaiwa/kaiwa/v1/*.java
jar -cfm "$folder/kaiwa.jar" "$folder/kaiwa/manifest" -C "$folder/kaiwa/classes" .

javac --release 17 -Xlint -Xlint:-path -Werror -cp "$folder/kaiwa.jar" -d "$folder/talk/classes" \
  examples/Talk.java
printf 'Main-Class: Talk\nClass-Path: kaiwa.jar\n' >"$folder/talk/manifest"
jar -cfm "$folder/talk.jar" "$folder/talk/manifest" -C "$folder/talk/classes" .
