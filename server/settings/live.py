"""The settings as they are now: addresses and tokens change while the server runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import SecretStr

from server.settings.files import read_agents, read_token
from server.settings.reading import ENV_FILE, WrongSettings, load
from server.settings.settings import Settings
from upstream.transport.watched import Watched

T = TypeVar("T")


class LiveSettings:
    """The current settings: `.env` and the files that it names are read again when they have changed.

    Without `env_file` the settings themselves stay as given, and only the files that they name are watched. `sandbox`
    says that the upstreams are a sandbox that this process has started.
    """

    def __init__(self, settings: Settings, env_file: Path | None = ENV_FILE, *, sandbox: bool = False) -> None:
        self.first = settings
        self.sandbox = sandbox
        self._settings = None if env_file is None else Watched(env_file.absolute(), load, settings)
        self._files: dict[tuple[str, Path], Watched[Any]] = {}
        # Read now, so that there is a last good value if a file is missing or half written at the first call.
        try:
            self.gamehub_token()
            self.gamelog_token()
            self.signing_secret()
            self.gamelog_agents()
        except ValueError as error:
            raise WrongSettings([f"a file that a setting names has changed at the start: it {error}"]) from None

    def limited(self, settings: Settings) -> "LiveSettings":
        """Return the same upstreams with other limits: those of one worker."""
        return LiveSettings(settings, None if self._settings is None else ENV_FILE, sandbox=self.sandbox)

    @property
    def now(self) -> Settings:
        return self.first if self._settings is None else self._settings.value

    def gamehub_url(self) -> str:
        return self.now.gamehub_url or ""

    def gamehub_token(self) -> str:
        now = self.now
        return self._token(now.gamehub_token, now.gamehub_token_file)

    def gamelog_url(self) -> str:
        return self.now.gamelog_url or ""

    def gamelog_token(self) -> str:
        """Return the token of the default agent, which serves every group without an agent of its own."""
        now = self.now
        return self._token(now.gamelog_agent_token, now.gamelog_agent_token_file)

    def signing_secret(self) -> str:
        """Return the secret that signs links; empty if there is none."""
        now = self.now
        return self._token(now.signing_secret, now.signing_secret_file)

    def gamelog_agents(self) -> dict[str, str]:
        """Return the codes of the agents of single groups, by group id."""
        path = self.now.gamelog_agents_file
        return {} if path is None else self._file("agents", path, read_agents)

    def _token(self, token: SecretStr | None, path: Path | None) -> str:
        if path is not None:
            return self._file("token", path, read_token)
        return "" if token is None else token.get_secret_value()

    def _file(self, what: str, path: Path, read: Callable[[Path], T]) -> T:
        watched = self._files.get((what, path))
        if watched is None:
            watched = self._files[what, path] = Watched(path, read)
        return cast(T, watched.value)
