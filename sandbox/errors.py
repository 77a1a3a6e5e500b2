"""GameHub's error index: codes, HTTP statuses and messages in the languages that a token may have."""

from typing import Any

# code: (HTTP status, English, Spanish)
ERRORS = {
    "00001": (
        401,
        "These credentials do not match our records.",
        "Estas credenciales no coinciden con nuestros registros.",
    ),
    "10000": (404, "Invalid report.", "Reporte inválido."),
    "10001": (404, "Malformed report.", "Reporte mal formado."),
    "10002": (422, "Empty data or failed validation.", "Sin datos o validación fallida."),
    "10003": (401, "Jwt error.", "Error de JWT."),
    "10011": (422, "Invalid group.", "Grupo inválido."),
    "10012": (422, "Invalid date.", "Fecha inválida."),
    "10013": (422, "Invalid user.", "Usuario inválido."),
    "10014": (422, "Invalid room.", "Sala inválida."),
    "10015": (422, "Invalid status.", "Estado inválido."),
    "10016": (422, "Invalid game id.", "Identificador de juego inválido."),
    "10017": (422, "Invalid integer.", "Entero inválido."),
    "10018": (400, "Real time report break.", "Interrupción del reporte en tiempo real."),
    "10019": (422, "Invalid chat name.", "Nombre de chat inválido."),
    "99999": (400, "Unexpected error.", "Error inesperado."),
}

LANGUAGES = ("en", "es")


class ReportError(Exception):
    """A report was refused. `code` is a key of ERRORS."""

    def __init__(self, code: str) -> None:
        super().__init__(code, ERRORS[code][1])
        self.code = code


def refusal(code: str, language: str = "en") -> tuple[int, dict[str, Any]]:
    """Return the HTTP status and the body of a failed answer, with the message in the token's language."""
    status, *messages = ERRORS[code]
    return status, {"error": True, "code": code, "message": messages[LANGUAGES.index(language)]}
