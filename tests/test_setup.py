"""`scripts/setup.sh` on machines that lack something, for a user who may install nothing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts/setup.sh"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A copy of the script and, in `bin`, all that a bare machine without Python has of use."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(SCRIPT, tmp_path / "scripts")
    (tmp_path / "bin").mkdir()
    for name in ("bash", "dirname", "id", "rm"):
        path = shutil.which(name)
        assert path is not None
        (tmp_path / "bin" / name).symlink_to(path)
    return tmp_path


def put_python(machine: Path, name: str, *, code: int) -> None:
    """Puts a Python that can say its version; `code` is how its own programs end."""
    path = machine / "bin" / name
    path.write_text(
        "#!/bin/bash\n"
        f"case $1 in --version) echo Python 3.10.12;; -c) exit {code};; *) exit 1;; esac\n"
    )
    path.chmod(0o755)


def setup(machine: Path) -> str:
    """Runs the script, which has to give up, and gives its last words."""
    ran = subprocess.run(
        [machine / "bin/bash", machine / "scripts/setup.sh"],
        env={**os.environ, "PATH": str(machine / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    return ran.stderr


def test_a_machine_without_python_is_told_what_to_install(machine: Path) -> None:
    assert "sudo apt-get install -y python3 python3-venv" in setup(machine)


def test_an_old_python_is_named(machine: Path) -> None:
    put_python(machine, "python3", code=1)
    assert "needs Python 3.11 or newer; this machine has Python 3.10.12" in setup(machine)


def test_a_python_without_venv_is_told_the_package_of_that_python(machine: Path) -> None:
    put_python(machine, "python3.11", code=0)
    put_python(machine, "python3", code=1)
    assert "sudo apt-get install -y python3.11-venv" in setup(machine)
