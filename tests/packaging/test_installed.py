"""The installed wheels in environments that have nothing else."""

import pytest

# Creating an environment and installing into it belongs to the first test that uses it: some 30 s, much more without
# pip's cache.
pytestmark = [pytest.mark.packaging, pytest.mark.timeout(300)]

# Imports every module; what the plain install lacks must be the packages of an extra, and only the trainer, the torch
# engine, the native transport and HTTP may lack them.
IMPORT_ALL = """
import importlib, pkgutil, sys
import hangtag

EXTRAS = {"torch", "transformers", "sklearn", "scipy", "cleanlab", "datasketch", "optuna", "jinja2", "markupsafe",
          "matplotlib", "accelerate", "peft", "pyarrow", "ray", "openpyxl", "pygrpc_native", "connectrpc",
          "uvicorn", "starlette", "h11"}
MAY_LACK = ("hangtag.trainer.", "hangtag.cli.retag.on_ray.", "hangtag.engine.torch", "hangtag.server.native_transport",
            "hangtag.server.web.")
imported = []
def failed(name):
    error = sys.exc_info()[1]
    is_extra = isinstance(error, ModuleNotFoundError) and error.name.split(".")[0] in EXTRAS
    if not is_extra or not name.startswith(MAY_LACK):
        raise error
for found in pkgutil.walk_packages(hangtag.__path__, "hangtag.", onerror=failed):
    if not found.name.endswith("__main__"):
        try:
            importlib.import_module(found.name)
        except ImportError:
            failed(found.name)
        else:
            imported.append(found.name)
print(*imported)
"""
CALL = """
from hangtag.client import Client, UnavailableError
with Client("127.0.0.1:1", timeout_s=20) as tags:
    try:
        tags.get("p")
    except UnavailableError as error:
        print(error.status)
"""


def test_help_works_from_another_folder(plain, tmp_path):
    done = plain.run("hangtag", "--help", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "demo" in done.stdout


def test_the_demo_works_beside_a_folder_named_hangtag(plain, tmp_path):
    (tmp_path / "hangtag").mkdir()

    done = plain.run("hangtag", "demo", "--once", cwd=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_plain_install_has_no_torch(plain):
    assert plain.distributions() & {"torch", "transformers", "scikit-learn", "scipy"} == set()


def test_every_module_of_the_plain_install_can_be_imported(plain, tmp_path):
    done = plain.run("python", "-c", IMPORT_ALL, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert {"hangtag.server.program", "hangtag.workers.program", "hangtag.cli.app"} <= set(done.stdout.split())


def test_the_client_alone_calls_and_has_no_programs(client, tmp_path):
    call = client.run("python", "-c", CALL, cwd=tmp_path)
    program = client.run("python", "-c", "import hangtag.cli", cwd=tmp_path)

    assert call.stdout == "UNAVAILABLE\n", call.stderr
    assert "No module named 'hangtag.cli'" in program.stderr
    # Python 3.11 puts setuptools into every environment; grpcio requires typing_extensions.
    installed = client.distributions() - {"pip", "setuptools", "typing_extensions"}
    assert installed == {"hangtag-client", "grpcio", "protobuf"}


def test_removing_hangtag_leaves_the_client_as_it_was(client, wheels, tmp_path):
    before = client.files("hangtag")
    client.pip("install", "--no-deps", "--no-index", str(wheels["hangtag"]))
    assert "hangtag/cli/app.py" in client.files("hangtag")

    client.pip("uninstall", "--yes", "hangtag")

    assert client.files("hangtag") == before
    assert client.run("python", "-c", CALL, cwd=tmp_path).stdout == "UNAVAILABLE\n"
