"""Texts of the invented customers, by mood. Used by tickets, reviews and surveys."""

from random import Random

GLAD = (
    "Todo perfecto, llegó antes de lo esperado",
    "Great service, thank you!",
    "Muy amables, resuelto en una llamada",
    "Exactly as described; would order again",
    "Rápido y sencillo",
    'My daughter said "wow", so did I',
)
EVEN = (
    "Correcto, sin más",
    "It does what it should",
    "Bien, aunque el embalaje es mejorable",
    "Average: fair price, plain quality",
)
CROSS = (
    "Llegó tarde, y nadie avisó",
    "Had to explain it three times, to three people",
    "El color no es el de la foto",
    'They said "tomorrow"; that was last week',
    "Pésima atención, no lo recomiendo",
    "Arrived broken, still waiting for an answer",
)
# Comments with line breaks, which break a reader that takes every line for a record.
LONG = (
    "First order: fine.\r\nSecond order: late, and the box was open.",
    'El producto bien.\r\n\r\nLa entrega, "regular", como siempre.',
)


def remark(rng: Random, mood: float) -> str:
    """A remark for a mood between 0 (cross) and 1 (glad), often empty."""
    if rng.random() < 0.45:
        return ""
    if rng.random() < 0.06:
        return rng.choice(LONG)
    return opinion(rng, mood)


def opinion(rng: Random, mood: float) -> str:
    """A sentence for a mood between 0 (cross) and 1 (glad)."""
    return rng.choice(GLAD if mood > 0.7 else EVEN if mood > 0.45 else CROSS)
