# SPDX-License-Identifier: Apache-2.0
"""Writes what is wanted of all services to a file, and brings it back.

backup save FILE        all services as they were at one revision
backup restore FILE     make each service what the file says; others are left as they are
"""

import sys
from pathlib import Path

from google.protobuf import json_format

import skep
from skep import v1


def save(client: skep.Client, file: Path) -> None:
    """Writes a spec a line, in proto JSON."""
    specs: list[v1.ServiceSpec] = []
    request = v1.ListServicesRequest()
    while True:
        page = client.services.ListServices(request)
        specs += [service.spec for service in page.services]
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    lines = [json_format.MessageToJson(spec, indent=None) + "\n" for spec in specs]
    # Environments may hold secrets.
    file.touch(mode=0o600)
    file.write_text("".join(lines), encoding="utf-8")
    print(f"{len(specs)} services as of revision {page.revision}")


def restore(client: skep.Client, file: Path) -> None:
    """Makes each service what its line says."""
    for line in file.read_text(encoding="utf-8").splitlines():
        spec = json_format.Parse(line, v1.ServiceSpec())
        client.services.UpdateService(v1.UpdateServiceRequest(spec=spec, allow_missing=True))
        print(f"{spec.name} is restored")


def main() -> None:
    """Reads the arguments, and tells how it ended."""
    works = {"save": save, "restore": restore}
    if len(sys.argv) != 3 or sys.argv[1] not in works:
        print("usage: backup save|restore FILE", file=sys.stderr)
        sys.exit(2)
    try:
        with skep.connect() as client:
            works[sys.argv[1]](client, Path(sys.argv[2]))
    except (skep.Error, OSError, json_format.ParseError) as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
