"""The settings: what is allowed, what a wrong one says, and what is read again while the server runs."""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from server.execution.limits import ORDINARY, PATIENT
from server.http.proxies import LOOPBACK
from server.settings.live import LiveSettings
from server.settings.markdown import settings_table
from server.settings.reading import WrongSettings, load
from server.settings.settings import NAMES, Settings
from server.settings.values import UserCodeFrom

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "settings.md"
# Fixed: it stands in the ids of tests, which must be the same in every worker of a run.
TOKEN = "a-secret-59e6b6f0cb5b84a2"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def lines(**values: str) -> list[str]:
    """Return the faults of a `.env` of these values."""
    Path(".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    with pytest.raises(WrongSettings) as wrong:
        load()
    assert TOKEN not in "".join(wrong.value.lines)
    return wrong.value.lines


def line(**values: str) -> str:
    only, *rest = lines(**values)
    assert rest == []
    assert "\n" not in only
    return only


def test_nothing_set_is_the_sandbox() -> None:
    settings = load()
    assert settings.uses_sandbox
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.user_code_from is UserCodeFrom.USERNAME
    assert settings.business_zone.key == "UTC"


def test_nothing_set_is_the_ordinary_bounds() -> None:
    settings = load()
    assert (settings.limits, settings.patience, settings.origins) == (ORDINARY, PATIENT, ())
    Path(".env").write_text(
        "MAX_DEPTH=3\nINTROSPECTION=off\nCORS_ORIGINS=https://a.b, http://C.d:81\nCLIENT_TIMEOUT=2\n"
    )
    settings = load()
    assert settings.limits == replace(ORDINARY, depth=3, introspection=False)
    assert settings.patience == replace(PATIENT, request_seconds=2, idle_seconds=2)
    assert settings.origins == ("https://a.b", "http://c.d:81")


def test_proxies_are_addresses_and_networks() -> None:
    assert load().proxies == LOOPBACK
    for value, found in {
        "10.0.0.7, 10.1.0.0/16, 2001:db8::/32": ("10.0.0.7", "10.1.0.0/16", "2001:db8::/32"),
        "*": ("*",),
    }.items():
        Path(".env").write_text(f"FORWARDED_ALLOW_IPS={value}\n")
        assert load().proxies == found


def test_the_root_path_has_no_slash_at_its_end() -> None:
    for value, found in {"/graph/": "/graph", "/a/b": "/a/b", "/": ""}.items():
        Path(".env").write_text(f"ROOT_PATH={value}\n")
        assert load().root_path == found


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("PORT=1\nHOST=localhost\nBUSINESS_TIMEZONE=Europe/Madrid\n")
    monkeypatch.setenv("PORT", "2")
    monkeypatch.setenv("HOST", "")  # an empty value is none
    settings = load()
    assert (settings.port, settings.host, settings.business_zone.key) == (2, "localhost", "Europe/Madrid")


def test_business_days_are_gamehubs_unless_said_otherwise() -> None:
    Path(".env").write_text("GAMEHUB_TIMEZONE=America/Lima\n")
    assert load().business_zone.key == "America/Lima"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        (
            "GAMEHUB_URL",
            "bingo.example.com/api",
            "GAMEHUB_URL has no http:// or https:// in front; allowed is an address",
        ),
        ("GAMEHUB_URL", "ftp://bingo.example.com", "GAMEHUB_URL has no http:// or https:// in front"),
        ("GAMEHUB_URL", "https://", "GAMEHUB_URL names no host"),
        ("GAMEHUB_URL", f"https://me:{TOKEN}@example.com", "GAMEHUB_URL holds a user name or password"),
        ("GAMEHUB_URL", f"https://me:1/{TOKEN}@example.com", "GAMEHUB_URL holds a user name or password"),
        ("JWT_JWKS_URL", f"https://me:{TOKEN}/x@example.com", "JWT_JWKS_URL holds a user name or password"),
        ("CORS_ORIGINS", f"https://me:{TOKEN}@a.b", "CORS_ORIGINS holds an @, which no origin has; allowed is"),
        ("ALLOWED_HOSTS", f"me:{TOKEN}@a.b", "ALLOWED_HOSTS holds an @, which no name of a host has; allowed is"),
        ("TABLES_STORE", "/shared/files", "TABLES_STORE is a folder; servers that share a folder set TABLES_SPOOL_DIR"),
        (
            "TABLES_STORE",
            "file:///shared/files",
            "TABLES_STORE is a folder; servers that share a folder set TABLES_SPOOL",
        ),
        ("TABLES_STORE", f"s3://key:{TOKEN}@bucket", "TABLES_STORE holds a @ or a ?; credentials belong in the"),
        ("TABLES_STORE", "nowhere://bucket", "TABLES_STORE names a store that cannot be used: there is no destination"),
        ("KEYS_STORE", "redis", "CACHE_URL is no Redis, though KEYS_STORE=redis has the API keys there: set it to"),
        ("CACHE_URL", f"http://:{TOKEN}@localhost", "CACHE_URL is none of these; allowed is memory://, redis://host"),
        ("CACHE_URL", f"redis://:{TOKEN}/abc=@localhost:6379/0", "CACHE_URL holds a port that is no number, or a"),
        ("CACHE_URL", f"redis://:P@{TOKEN}/word@localhost", "CACHE_URL holds a password of which / ? # @ must be"),
        ("CACHE_URL", f"redis://:12/{TOKEN}@localhost", "CACHE_URL holds a password of which / ? # @ must be"),
        ("CACHE_URL", f"redis://:12?{TOKEN}@localhost", "CACHE_URL holds a password of which / ? # @ must be"),
        ("CACHE_URL", f"'redis://:12#{TOKEN}@localhost'", "CACHE_URL holds a password of which / ? # @ must be"),
        ("CACHE_URL", f"unix://me:12/{TOKEN}@/run/redis", "CACHE_URL holds a password of which / ? # @ must be"),
        ("CACHE_URL", f"redis://localhost/{TOKEN}", "CACHE_URL names a database that is no number"),
        ("CACHE_URL", f"redis://localhost/0?tokn={TOKEN}", "CACHE_URL has an option that the client of Redis does not"),
        ("CACHE_URL", f"redis://localhost/0?socket_timeout={TOKEN}", "CACHE_URL has an option that the client of"),
        ("GAMEHUB_URL", f"https://example.com/?api_token={TOKEN}", "GAMEHUB_URL holds a ? or a #"),
        ("GAMELOG_URL", "https://example.com:99999", "GAMELOG_URL is no address"),
        ("GAMEHUB_TIMEZONE", "Mars/Olympus", "GAMEHUB_TIMEZONE is 'Mars/Olympus', which is no time zone; allowed is"),
        ("GAMELOG_TIMEZONE", "../etc/passwd", "GAMELOG_TIMEZONE is '../etc/passwd', which is no time zone"),
        ("BUSINESS_TIMEZONE", "Europe", "BUSINESS_TIMEZONE is 'Europe', which is no time zone"),
        ("PORT", "70000", "PORT is not one of the allowed values; allowed is a whole number from 0 to 65535"),
        ("PORT", "http", "PORT is not one of the allowed values"),
        ("GAMEHUB_TIMEOUT", "0", "GAMEHUB_TIMEOUT is not one of the allowed values; allowed is seconds"),
        ("GAMEHUB_TIMEOUT", "nan", "GAMEHUB_TIMEOUT is not one of the allowed values; allowed is seconds"),
        ("GAMELOG_CONCURRENCY", "0", "GAMELOG_CONCURRENCY is not one of the allowed values; allowed is a whole number"),
        ("USER_CODE_FROM", "email", "USER_CODE_FROM is not one of the allowed values; allowed is username, external"),
        ("CORS_ORIGINS", "*", "CORS_ORIGINS holds '*', which is no origin; allowed is origins such as https://bi"),
        ("CORS_ORIGINS", "https://a.b/c", "CORS_ORIGINS holds 'https://a.b/c', which is no origin"),
        ("CORS_ORIGINS", "https://a.b,c.d", "CORS_ORIGINS holds 'c.d', which is no origin"),
        ("INTROSPECTION", "perhaps", "INTROSPECTION is not one of the allowed values; allowed is on or off"),
        ("MAX_DEPTH", "0", "MAX_DEPTH is not one of the allowed values; allowed is a whole number from 1"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL is not one of the allowed values; allowed is debug, info, warning or error"),
        ("AUTH", "off", "AUTH is not one of the allowed values; allowed is required or open"),
        ("ALLOW_OPEN", "perhaps", "ALLOW_OPEN is not one of the allowed values; allowed is yes or no"),
        ("JWT_GROUPS_CLAIM", "' a'", "JWT_GROUPS_CLAIM is no name of a claim; allowed is the name of a claim"),
        ("JWT_LEEWAY", "-1", "JWT_LEEWAY is not one of the allowed values; allowed is seconds from 0 to 300"),
        ("RATE_CALLS", "-1", "RATE_CALLS is not one of the allowed values; allowed is a whole number from 0"),
        ("FORWARDED_ALLOW_IPS", "proxy", "FORWARDED_ALLOW_IPS holds 'proxy', which is no address and no network"),
        (
            "FORWARDED_ALLOW_IPS",
            "10.0.0.1, 10.1.2.3/16",
            "FORWARDED_ALLOW_IPS holds '10.1.2.3/16', which is an address in a network; the network is 10.1.0.0/16",
        ),
        ("FORWARDED_ALLOW_IPS", "*, 10.0.0.1", "FORWARDED_ALLOW_IPS holds '*', which is no address and no network"),
        ("ROOT_PATH", "graph", "ROOT_PATH is 'graph', which is no such path; allowed is a path such as /graph"),
        ("ROOT_PATH", "//evil.example", "ROOT_PATH is '//evil.example', which is no such path"),
        ("ROOT_PATH", "/tables/", "ROOT_PATH is '/tables', which begins like a path of the server itself"),
        ("GAMEHUB_TOKN", TOKEN, "GAMEHUB_TOKN in .env is no setting; did you mean GAMEHUB_TOKEN?"),
        ("GAMEHUB_COLOUR", "red", "GAMEHUB_COLOUR in .env is no setting"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(name: str, value: str, says: str) -> None:
    assert line(**{name: value}).startswith(says)


def test_several_wrong_settings_are_a_line_each() -> None:
    assert len(lines(PORT="x", GAMEHUB_TIMEZONE="y")) == 2


def test_a_token_is_one_word() -> None:
    wrong = lines(GAMEHUB_URL="https://example.com", GAMEHUB_TOKEN=f"'{TOKEN} {TOKEN}'")
    assert wrong[0].startswith("GAMEHUB_TOKEN holds a space")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            {"GAMEHUB_URL": "https://a.b"},
            "GAMEHUB_TOKEN or GAMEHUB_TOKEN_FILE is not set, though GAMEHUB_URL is: set it",
        ),
        ({"GAMEHUB_TOKEN": TOKEN}, "GAMEHUB_URL is not set, though GAMEHUB_TOKEN or GAMEHUB_TOKEN_FILE is: set it"),
        (
            {"GAMELOG_URL": "https://a.b", "GAMELOG_AGENT_TOKEN": TOKEN},
            "GAMELOG_AGENT_CODE is not set, though GAMELOG_URL is: set it",
        ),
        (
            {"GAMELOG_URL": "https://a.b", "GAMELOG_AGENT_CODE": "a"},
            "GAMELOG_AGENT_TOKEN or GAMELOG_AGENT_TOKEN_FILE is not set, though GAMELOG_URL is: set it",
        ),
        (
            {"GAMEHUB_URL": "https://a.b", "GAMEHUB_TOKEN_FILE": "none.txt"},
            "GAMEHUB_TOKEN_FILE names 'none.txt', which cannot be read: No such file or directory",
        ),
        (
            {"GAMEHUB_URL": "https://a.b", "GAMEHUB_TOKEN": TOKEN, "GAMEHUB_TOKEN_FILE": "none.txt"},
            "GAMEHUB_TOKEN and GAMEHUB_TOKEN_FILE are both set: set one of them",
        ),
        (
            {"GAMEHUB_URL": "https://a.b", "GAMEHUB_TOKEN_FILE": "/"},
            "GAMEHUB_TOKEN_FILE names '/', which cannot be read",
        ),
        ({"SIGNING_SECRET": TOKEN}, "SIGNING_SECRET is shorter than 32 characters; allowed is at least 32 letters"),
        ({"SIGNING_SECRET": TOKEN * 2, "SIGNING_SECRET_FILE": "x"}, "SIGNING_SECRET and SIGNING_SECRET_FILE are both"),
        ({"SIGNING_SECRET_FILE": "none.txt"}, "SIGNING_SECRET_FILE names 'none.txt', which cannot be read"),
        ({"JWT_ISSUER": "https://a.b"}, "JWT_JWKS_URL is not set, though JWT_ISSUER is: set it"),
        (
            {"JWT_JWKS_URL": "https://a.b/keys", "JWT_ISSUER": "https://a.b"},
            "JWT_AUDIENCE is not set, though JWT_JWKS_URL is: set it",
        ),
        (
            {"JWT_JWKS_URL": "http://a.b/keys", "JWT_ISSUER": "https://a.b", "JWT_AUDIENCE": "graph"},
            "JWT_JWKS_URL begins with http://, so anybody on the way could let himself in; allowed is https",
        ),
        (
            {"UNIX_SOCKET": "graph.sock", "HOST": "0.0.0.0", "SQL_FLIGHT_PORT": "5", "AUTH": "open"},
            "SQL_FLIGHT_PORT listens at HOST=0.0.0.0, which everybody on its network reaches, though AUTH=open: set",
        ),
        (
            {"GAMEHUB_CONCURRENCY": "2", "WORKERS": "3"},
            "GAMEHUB_CONCURRENCY is 2, less than WORKERS=3, which divide it: set fewer workers",
        ),
        ({"UNIX_SOCKET_MODE": "rw"}, "UNIX_SOCKET_MODE is not one of the allowed values; allowed is three digits"),
    ],
)
def test_settings_that_do_not_go_together(values: dict[str, str], says: str) -> None:
    assert line(**values).startswith(says)


PLAIN = {
    "GAMEHUB_URL": {"GAMEHUB_TOKEN": TOKEN},
    "GAMELOG_URL": {"GAMELOG_AGENT_CODE": "a", "GAMELOG_AGENT_TOKEN": TOKEN},
    "JWT_JWKS_URL": {"JWT_ISSUER": "https://a.b", "JWT_AUDIENCE": "graph"},
}


@pytest.mark.parametrize("name", PLAIN)
def test_no_token_is_sent_without_encryption_unless_a_setting_allows_it(name: str) -> None:
    for host in ("a.b", "10.0.0.1:81", "[fd00::1]", "localhost.a.b", "127.0.0.1.a.b", "0.0.0.0", "HOST"):
        values = {name: f"http://{host}/api", **PLAIN[name]}
        assert line(**values).startswith(f"{name} begins with http://, so anybody on the way could")
        assert line(**values).endswith("allowed is https, or ALLOW_PLAIN_HTTP=yes")
        Path(".env").write_text("".join(f"{each}={value}\n" for each, value in values.items()))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ALLOW_PLAIN_HTTP", "yes")
            assert getattr(load(), name.lower()) == values[name]
    for address in ("http://localhost:81", "http://127.0.0.1", "http://127.9.9.9", "http://[::1]:8000", "https://a.b"):
        values = {name: address, **PLAIN[name]}
        Path(".env").write_text("".join(f"{each}={value}\n" for each, value in values.items()))
        assert getattr(load(), name.lower()) == address


def test_a_running_server_does_not_take_up_an_address_without_encryption() -> None:
    env = f"GAMEHUB_URL=https://one.example\nGAMEHUB_TOKEN={TOKEN}\n"
    Path(".env").write_text(env)
    live = LiveSettings(load())
    Path(".env").write_text(env.replace("https://one", "http://another"))
    assert live.gamehub_url() == "https://one.example"


@pytest.mark.parametrize(
    ("content", "says"), [(" \n", "which is empty"), (f"{TOKEN}\n{TOKEN}", "which holds more than a token")]
)
def test_a_token_file_holds_a_token(content: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(content)
    assert says in line(GAMEHUB_URL="https://a.b", GAMEHUB_TOKEN_FILE=str(path))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "which is not JSON (line 1, column 2)"),
        ("[]", "which is not an object of groups"),
        (f'{{"x": {{"agent_code": "a", "agent_token": "{TOKEN}"}}}}', "in which 'x' is no group id"),
        ('{"382": {"agent_code": "a"}}', "in which group 382 lacks its agent_code or agent_token"),
        (f'{{"382": "{TOKEN}"}}', "in which group 382 lacks"),
    ],
)
def test_an_agents_file_holds_agents(content: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "agents.json"
    path.write_text(content)
    assert says in line(GAMELOG_URL="https://a.b", GAMELOG_AGENTS_FILE=str(path))


def test_a_secret_is_not_shown() -> None:
    Path(".env").write_text(f"GAMEHUB_URL=https://a.b\nGAMEHUB_TOKEN={TOKEN}\n")
    assert TOKEN not in repr(load())


@pytest.mark.parametrize(
    "address",
    [
        "off",
        "memory://",
        "redis://:a%2Fb%40c@[::1]:1/2",
        "rediss://me:pw@host/0",
        "unix:///run/redis@main/redis.sock?db=2",
    ],
)
def test_the_address_of_the_cache_may_stand_in_a_file(address: str, tmp_path: Path) -> None:
    file = tmp_path / "cache"
    file.write_text(f"{address}\n")
    Path(".env").write_text(f"CACHE_URL_FILE={file}\n")
    settings = load()
    # What was read at the start stays, whatever becomes of the file.
    file.unlink()
    assert settings.cache_address == address
    assert settings.cache_in_redis is (address not in ("off", "memory://"))
    Path(".env").write_text(f"CACHE_URL={address}\n")
    assert load().cache_address == address
    assert "pw@" not in f"{load()!r} {load()} {settings!r}"


def test_a_file_of_the_address_of_the_cache_holds_one(tmp_path: Path) -> None:
    file = tmp_path / "cache"
    assert line(CACHE_URL_FILE=str(file)).endswith("which cannot be read: No such file or directory")
    file.write_text("\n")
    assert "which is empty; allowed is a file that holds memory://" in line(CACHE_URL_FILE=str(file))
    file.write_text(f"redis://:{TOKEN}/x@localhost")
    assert "whose address holds a port that is no number" in line(CACHE_URL_FILE=str(file))
    file.write_text("off")
    assert line(CACHE_URL_FILE=str(file), CACHE_URL="off").startswith("CACHE_URL and CACHE_URL_FILE are both set")


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_text(""), lambda path: path.write_text("{ x")])
def test_files_that_are_spoilt_before_their_first_use_keep_what_they_held_at_the_start(
    spoil: Callable[[Path], object], tmp_path: Path
) -> None:
    names = ("GAMEHUB_TOKEN_FILE", "GAMELOG_AGENT_TOKEN_FILE", "SIGNING_SECRET_FILE", "GAMELOG_AGENTS_FILE")
    files = {name: tmp_path / name for name in names}
    for name, file in files.items():
        agents = '{"382": {"agent_code": "a", "agent_token": "t"}}'
        file.write_text(agents if name == "GAMELOG_AGENTS_FILE" else "x" * 40)
    values = {name: str(path) for name, path in files.items()}
    values |= {"GAMEHUB_URL": "https://a.b", "GAMELOG_URL": "https://a.b", "GAMELOG_AGENT_CODE": "c"}
    Path(".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    live = LiveSettings(load())
    for file in files.values():
        spoil(file)
    assert {live.gamehub_token(), live.gamelog_token(), live.signing_secret()} == {"x" * 40}
    assert live.gamelog_agents() == {"382": "a"}


def test_a_file_that_is_spoilt_at_the_start_is_one_clear_line(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("token")
    Path(".env").write_text(f"GAMEHUB_URL=https://a.b\nGAMEHUB_TOKEN_FILE={file}\n")
    settings = load()
    file.write_text("")
    with pytest.raises(WrongSettings, match="which is empty"):
        LiveSettings(settings)


def test_changes_are_picked_up(tmp_path: Path) -> None:
    token, agents = tmp_path / "token", tmp_path / "agents.json"
    token.write_text("first\n")
    agents.write_text('{"382": {"agent_code": "a", "agent_token": "t"}}')
    env = (
        "GAMEHUB_URL=https://one.example\n"
        f"GAMEHUB_TOKEN_FILE={token}\nGAMELOG_URL=https://log.example\nGAMELOG_AGENTS_FILE={agents}\n"
    )
    Path(".env").write_text(env)
    live = LiveSettings(load())
    assert (live.gamehub_url(), live.gamehub_token()) == ("https://one.example", "first")
    assert live.gamelog_agents() == {"382": "a"}

    Path(".env").write_text(env.replace("one", "another"))
    token.write_text("second")
    agents.write_text('{"383": {"agent_code": "another", "agent_token": "t"}}')
    assert (live.gamehub_url(), live.gamehub_token()) == ("https://another.example", "second")
    assert live.gamelog_agents() == {"383": "another"}

    # What cannot be used is not: the last good values stay.
    Path(".env").write_text("GAMEHUB_URL=nonsense\n")
    token.unlink()
    agents.write_text("{")
    assert (live.gamehub_url(), live.gamehub_token()) == ("https://another.example", "second")
    assert live.gamelog_agents() == {"383": "another"}

    # As Kubernetes does it: the name becomes a link to another file.
    other = tmp_path / "other"
    other.write_text("thirds")
    os.symlink(other, token)
    assert live.gamehub_token() == "thirds"


def test_the_page_lists_the_settings() -> None:
    text = PAGE.read_text("utf-8")
    found = re.search(r"<!-- settings -->\n(.*?)<!-- /settings -->", text, re.DOTALL)
    assert found is not None, "docs/reference/settings.md has no <!-- settings --> … <!-- /settings -->"
    assert found[1].strip() == settings_table().strip()


def test_the_table_is_whole() -> None:
    table = settings_table()
    assert [row.split("`")[1] for row in table.splitlines()[2:]] == [name.upper() for name in Settings.model_fields]
    assert "PydanticUndefined" not in table
