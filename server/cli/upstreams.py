"""Choose the upstreams of a command: those of the settings, or a sandbox if none is set."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module

from server.cli.sandbox_process import SandboxProcess, pointed
from server.cli.terminal import say
from server.settings.live import LiveSettings
from server.settings.reading import WrongSettings
from server.settings.settings import Settings


def renewed(live: LiveSettings, settings: Settings) -> LiveSettings:
    """Return new settings. If they have no upstream, they get the sandbox that runs already. Raises WrongSettings."""
    if not settings.uses_sandbox:
        return LiveSettings(settings)
    if not live.sandbox:
        raise WrongSettings(["no upstream is set any more: a sandbox starts only with the server, so start it anew"])
    return LiveSettings(pointed(settings, live.first), env_file=None, sandbox=True)


@contextmanager
def upstreams(settings: Settings, announce: Callable[[str], None]) -> Iterator[LiveSettings]:
    """Yield settings with upstreams. The sandbox, if there is one, ends with the block. Raises SandboxFailed."""
    if not settings.uses_sandbox:
        yield LiveSettings(settings)
        return
    announce("No upstream is set: a sandbox with a made-up bingo business replaces GameHub and Game History.")
    with SandboxProcess.of(settings) as process:
        import_module("schema.graph")  # this takes as long as the start of the sandbox
        announcement = process.announcement()
        process.watch(lambda code: say(f"the sandbox has ended (exit code {code}); its fields fail until a new start"))
        yield LiveSettings(announcement.point(settings), env_file=None, sandbox=True)
