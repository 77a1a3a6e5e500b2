"""The table of settings in Markdown."""

from enum import Enum

from pydantic import SecretStr

from server.settings.settings import Settings


def settings_table() -> str:
    """Return the table in Markdown, as docs/reference/settings.md shows it."""
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    for name, line in Settings.model_fields.items():
        default = line.default.value if isinstance(line.default, Enum) else line.default
        default = default.get_secret_value() if isinstance(default, SecretStr) else default
        shown = "" if default is None else f"`{default:g}`" if isinstance(default, float) else f"`{default}`"
        rows.append(f"| `{name.upper()}` | {shown} | {line.description} |")
    return "\n".join(rows) + "\n"
