# SPDX-License-Identifier: Apache-2.0
"""Writes `__init__.py` of the package skep.v1: every message, enum and stub under one roof.

Files of stubs in which there are none are removed.

    python_package.py FOLDER     the folder that holds skep/v1, generated
"""

import ast
import sys
from pathlib import Path

HEAD = '''"""The API of skep, as its protos define it: messages, enums and stubs."""

'''


def names(module: Path) -> list[str]:
    """What a generated module defines for its users, read from its stub file."""
    found = []
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            found.append(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.append(node.target.id)
    return sorted(name for name in found if is_public(name))


def is_public(name: str) -> bool:
    """Whether users want it: nothing for servers, descriptors, or type checkers alone."""
    unwanted = ("_", "DESCRIPTOR", "GRPC_", "Global___")
    endings = ("Servicer", "AsyncStub", "_FIELD_NUMBER")
    return not name.startswith(unwanted) and not name.endswith(endings)


def main() -> None:
    folder = Path(sys.argv[1]) / "skep" / "v1"
    lines = []
    everything = []
    for module in sorted(folder.glob("*.pyi")):
        public = names(module)
        if not public:
            module.with_suffix(".py").unlink()
            module.unlink()
        else:
            lines.append(f"from skep.v1.{module.stem} import (\n")
            lines.extend(f"    {name} as {name},\n" for name in public)
            lines.append(")\n")
            everything += public
    if len(everything) != len(set(everything)):
        sys.exit("two generated modules define one name")
    exported = "".join(f'    "{name}",\n' for name in sorted(everything))
    text = HEAD + "".join(lines) + f"\n__all__ = [\n{exported}]\n"
    (folder / "__init__.py").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
