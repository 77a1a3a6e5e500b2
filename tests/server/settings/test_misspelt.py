"""Names that look like misspelt settings."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.settings.misspelt import misspelt, one_edit_apart
from server.settings.reading import WrongSettings, load, load_part, look_for_misspelt
from server.settings.settings import NAMES

FILE = Path(".env")
# Variables of other programs, as shells, containers, Kubernetes, clouds and libraries set them.
OTHERS = [
    "PATH", "HOME", "PWD", "SHELL", "USER", "LANG", "TERM", "HOSTNAME", "HOSTTYPE", "HOSTS", "PORTS", "POST", "MAIL",
    "EDITOR", "TZ", "LOGNAME", "LOGLEVEL", "LOG_LEVELS", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
    "FTP_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSL_KEY_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    "AWS_CA_BUNDLE", "AWS_REGION", "AWS_PROFILE", "PIP_CERT", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS",
    "PYTHONUNBUFFERED", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "KUBERNETES_PORT_443_TCP_ADDR",
    "GAMEHUB_SERVICE_HOST", "GAMEHUB_SERVICE_PORT", "GAMEHUB_SERVICE_PORT_HTTP", "GAMEHUB_PORT",
    "GAMEHUB_PORT_8000_TCP", "GAMEHUB_PORT_8000_TCP_PROTO", "GAMEHUB_GRAPH_PORT_8000_TCP_ADDR", "GAMEHUB_GRAPH_KEY",
    "REDIS_URL", "DATABASE_URL", "CACHE_DIR", "LOG_FILE", "SECRET_KEY", "JWT_SECRET", "NOTIFY_SOCKET", "LISTEN_FDS",
    "OTEL_SERVICE_NAME", "MAX_MEMORY", "WEB_CONCURRENCY", "ENGINES", "AUTHORS", "OAUTH", "XAUTHORITY", "WORKER",
    "GUNICORN_CMD_ARGS", "UVICORN_PORT",
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("GAMEHUB_TOKN", "GAMEHUB_TOKEN"),
        ("CACHE_URI", "CACHE_URL"),
        ("cache_ulr", "CACHE_URL"),
        ("MAX_DEPHT", "MAX_DEPTH"),
        ("TABLES_SPOOLDIR", "TABLES_SPOOL_DIR"),
        ("DRAIN_SECOND", "DRAIN_SECONDS"),
    ],
)
def test_a_long_name_with_one_wrong_letter_is_refused_everywhere(name: str, meant: str) -> None:
    assert misspelt([name], FILE, {}, NAMES).wrong == [f"{name} in .env is no setting; did you mean {meant}?"]
    found = misspelt([], FILE, {name: "1"}, NAMES)
    assert found.wrong == [f"{name} in the environment is no setting; did you mean {meant}?"]
    assert found.doubtful == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [("PROT", "PORT"), ("HOTS", "HOST"), ("AUHT", "AUTH"), ("PORTT", "PORT"), ("WORKRES", "WORKERS")],
)
def test_a_short_name_is_refused_in_the_file_alone(name: str, meant: str) -> None:
    """The short names of the environment belong to many programs."""
    assert misspelt([name], FILE, {}, NAMES).wrong == [f"{name} in .env is no setting; did you mean {meant}?"]
    found = misspelt([], FILE, {name: "1"}, NAMES)
    assert (found.wrong, found.doubtful) == ([], [])


def test_what_only_resembles_a_setting_is_said_and_does_not_stop_the_start() -> None:
    environment = {"GAMEHUB_PASSWORD": "1", "TABLES_SPOOL_DIRS_": "1"}
    assert misspelt([], FILE, environment, NAMES).wrong == []
    assert misspelt([], FILE, environment, NAMES).doubtful == [
        "GAMEHUB_PASSWORD in the environment is no setting",
        "TABLES_SPOOL_DIRS_ in the environment is no setting; did you mean TABLES_SPOOL_DIR?",
    ]
    assert misspelt(environment, FILE, {}, NAMES).wrong == [
        "GAMEHUB_PASSWORD in .env is no setting",
        "TABLES_SPOOL_DIRS_ in .env is no setting; did you mean TABLES_SPOOL_DIR?",
    ]


def test_settings_and_the_variables_of_other_programs_are_no_mistakes() -> None:
    found = misspelt([], FILE, dict.fromkeys([*OTHERS, *NAMES, *map(str.lower, NAMES)], "1"), NAMES)
    assert (found.wrong, found.doubtful) == ([], [])


@given(st.text("ABC", max_size=6), st.text("ABC", max_size=6))
def test_one_edit_is_what_the_table_of_edits_says(one: str, other: str) -> None:
    letters = "ABC"
    edits = (
        {one[:at] + one[at + 1 :] for at in range(len(one))}
        | {one[:at] + letter + one[at:] for at in range(len(one) + 1) for letter in letters}
        | {one[:at] + letter + one[at + 1 :] for at in range(len(one)) for letter in letters}
        | {one[:at] + one[at + 1] + one[at] + one[at + 2 :] for at in range(len(one) - 1)}
    )
    assert one_edit_apart(one, other) == (other in edits - {one})


def test_the_environment_and_the_file_are_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    FILE.write_text("CACHE_URI=off\n")
    monkeypatch.setenv("GAMEHUB_TOKN", "secret")
    monkeypatch.setenv("GAMELOG_COMPANY", "me")
    with pytest.raises(WrongSettings) as wrong:
        load()
    assert wrong.value.lines == [
        "CACHE_URI in .env is no setting; did you mean CACHE_URL?",
        "GAMEHUB_TOKN in the environment is no setting; did you mean GAMEHUB_TOKEN?",
    ]
    assert look_for_misspelt().doubtful == ["GAMELOG_COMPANY in the environment is no setting"]


def test_a_part_of_the_settings_does_not_mind_the_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    FILE.write_text("PORT=70000\nCACHE_URI=off\nGAMEHUB_URL=https://bingo.example.com\nKEYS_FILE=~/keys\n")
    settings = load_part("keys_file")
    assert settings.keys_path == Path("~/keys").expanduser()
    assert settings.port == 8000
    FILE.write_text("KEYS_FIEL=keys\n")
    with pytest.raises(WrongSettings, match=r"^KEYS_FIEL in .env is no setting; did you mean KEYS_FILE\?$"):
        load_part("keys_file")
