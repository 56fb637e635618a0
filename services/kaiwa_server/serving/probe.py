"""Asks a service for its health, for container engines that speak no gRPC.

    python -m kaiwa_server.serving.probe 127.0.0.1:50051 ready

It ends with exit code 0 if the service says that it is serving under that health name, and
otherwise with 1 and a sentence.
"""

import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

_TIMEOUT_S = 3.0


def main() -> None:
    """Probes what the command line names."""
    if len(sys.argv) != 3:
        raise SystemExit("usage: python -m kaiwa_server.serving.probe HOST:PORT HEALTH_NAME")
    probe(*sys.argv[1:])


def probe(address: str, name: str) -> None:
    """Returns if the service at `address` is serving under the health name `name`.

    Raises:
        SystemExit: it is not, or it cannot be asked.
    """
    with grpc.insecure_channel(address) as channel:
        request = health_pb2.HealthCheckRequest(service=name)
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=_TIMEOUT_S)
        except grpc.RpcError as error:
            raise SystemExit(f"{address} cannot be asked: {error.details()}") from None
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    if status != "SERVING":
        raise SystemExit(f"{address} is {status} under the name {name}")


if __name__ == "__main__":
    main()
