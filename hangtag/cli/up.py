"""`hangtag up`."""

import time
from contextlib import ExitStack

import typer


def up() -> None:
    """Start broker, tag store, reader of arrivals and index on this machine, and stop them with Ctrl-C.

    The data of broker and store is not kept.

    The broker is Apache Kafka if KAFKA_HOME is the folder of a release, otherwise Tansu. A server that is set
    explicitly (HANGTAG_KAFKA__BOOTSTRAP, HANGTAG_REDIS__URL) is used instead. Missing topics are created.

    Example: hangtag up
    """
    from hangtag.cli.demo.programs import index_address, start_program  # noqa: PLC0415
    from hangtag.cli.local import LocalStack  # noqa: PLC0415
    from hangtag.cli.local.topics import topics_of  # noqa: PLC0415
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415
    from hangtag.settings import variable_of  # noqa: PLC0415

    started = time.monotonic()
    try:
        with stopping():
            stack = LocalStack()
            with ExitStack() as running:
                settings = running.enter_context(stack)
                assert stack.folder is not None
                addresses = running.enter_context(index_address(settings, stack.folder))
                arrivals = stack.beside(start_program("arrivals", "arrivals", settings, stack.folder, {}))
                index = stack.beside(start_program("index", "index", settings, stack.folder, addresses))
                for server in stack.servers:
                    typer.echo(f"{server.child.name} listens on {server.url}, log {server.child.log}")
                typer.echo(f"arrivals reads what is published, log {arrivals.log}")
                typer.echo(f"the index listens on {addresses['server.index_address']}, log {index.log}")
                typer.echo(f"topics {', '.join(topics_of(settings.kafka))}")
                typer.echo(f"ready after {time.monotonic() - started:.1f} s; to use it from another terminal:\n")
                typer.echo(f"export {variable_of('kafka.bootstrap')}={settings.kafka.bootstrap}")
                if any(server.url == settings.redis.url.get_secret_value() for server in stack.servers):
                    typer.echo(f"export {variable_of('redis.url')}={settings.redis.url.get_secret_value()}")
                else:
                    typer.echo(f"# the tag store is that of your {variable_of('redis.url')}, which may hold a password")
                typer.echo(f"export {variable_of('server.index_address')}={addresses['server.index_address']}")
                typer.echo("\nPress Ctrl-C to stop.")
                stack.wait()
    except Stopped:
        typer.echo("stopped")
