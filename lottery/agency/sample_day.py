"""A made-up day of bets: believable, and the same for the same seed on every Python.

Only ``Random.random()`` is asked for chance, the one method whose sequence Python keeps from
version to version, and every age is counted from a fixed day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from random import Random
from typing import Final, NamedTuple

WINNING_NUMBER: Final = 7574
OLDEST: Final = date(1930, 1, 1)
YOUNGEST: Final = date(2007, 1, 1)
"""Eighteen years old on the first day of 2025."""

_WOMEN: Final = (
    *("Agustina", "Ana", "Ángeles", "Antonella", "Bárbara", "Beatriz", "Belén", "Camila"),
    *("Carla", "Catalina", "Cecilia", "Celeste", "Delfina", "Elena", "Emilia", "Estela"),
    *("Florencia", "Graciela", "Guadalupe", "Inés", "Irma", "Jazmín", "Josefina", "Juana"),
    *("Julieta", "Lucía", "Luján", "Luz", "Magalí", "María", "Marta", "Martina", "Micaela"),
    *("Milagros", "Mónica", "Noelia", "Norma", "Paula", "Pilar", "Rocío", "Rosa", "Sofía"),
    *("Soledad", "Susana", "Valentina", "Verónica", "Victoria", "Yamila"),
)
_MEN: Final = (
    *("Adrián", "Agustín", "Alejandro", "Álvaro", "Andrés", "Bautista", "Benjamín", "Bruno"),
    *("Carlos", "César", "Damián", "Daniel", "Diego", "Eduardo", "Emanuel", "Ezequiel"),
    *("Facundo", "Federico", "Gastón", "Germán", "Gonzalo", "Héctor", "Hernán", "Ignacio"),
    *("Iván", "Joaquín", "Jorge", "José", "Juan", "Julián", "Lautaro", "Lucas", "Luis"),
    *("Marcos", "Martín", "Mateo", "Matías", "Nahuel", "Nicolás", "Óscar", "Pablo", "Ramón"),
    *("Rubén", "Santiago", "Sebastián", "Thiago", "Tomás", "Valentín"),
)
_SURNAMES: Final = (
    *("Acosta", "Agüero", "Álvarez", "Arrieta", "Ávila", "Basualdo", "Benítez", "Cabrera"),
    *("Castañeda", "Chávez", "Coronel", "Córdoba", "D'Angelo", "De la Fuente", "Del Valle"),
    *("Díaz", "Echeverría", "Escudero", "Farías", "Fernández", "Ferreyra", "Figueroa"),
    *("Funes", "Galván", "García", "Giménez", "Godoy", "Gómez", "González", "Güiraldes"),
    *("Gutiérrez", "Herrera", "Ibáñez", "Iriarte", "Juárez", "Ledesma", "López", "Luna"),
    *("Maldonado", "Mamani", "Martínez", "Medina", "Méndez", "Molina", "Montenegro"),
    *("Muñoz", "Navarro", "Núñez", "Ñáñez", "Ocampo", "Ojeda", "Ortiz", "Páez", "Peralta"),
    *("Pereyra", "Pérez", "Quiroga", "Ramírez", "Ríos", "Rodríguez", "Romero", "Rossi"),
    *("Sánchez", "Sosa", "Suárez", "Toledo", "Vallejos", "Vázquez", "Vera", "Villalba"),
    *("Yáñez", "Zárate", "Zúñiga"),
)


class AgencyDay(NamedTuple):
    """What one agency takes during the day; :func:`rows` writes it out."""

    agency: int
    """From 1."""
    bets: int
    winners: int
    """How many of the bets are on ``WINNING_NUMBER``."""
    seed: int


def plan(agencies: int, bets: int, seed: int) -> list[AgencyDay]:
    """A day of ``bets`` bets in all, shared unequally by chance.

    The first agency has winners; the last of several has none.

    :param agencies: at least 1.
    :param bets: at least one for each agency.
    """
    chance = _chance(seed)
    shares = [50 + _below(chance, 1000) for _ in range(agencies)]
    total = sum(shares)
    sizes = [1 + (bets - agencies) * share // total for share in shares]
    sizes[0] += bets - sum(sizes)
    winners = [min(size, _below(chance, 4)) for size in sizes]
    winners[0] = max(1, winners[0])
    if agencies > 1:
        winners[-1] = 0
    seeds = [_below(chance, 2**53) for _ in sizes]
    days = zip(range(1, agencies + 1), sizes, winners, seeds, strict=True)
    return [AgencyDay(*day) for day in days]


def rows(day: AgencyDay) -> Iterator[str]:
    """The bets of an agency, one at a time: ``first,last,document,birthdate,number``."""
    chance = _chance(day.seed)
    winning = _spread(chance, day.winners, day.bets)
    for index in range(day.bets):
        first_name, last_name = _first_name(chance), _last_name(chance)
        birthdate = _birthdate(chance)
        document = _document(chance, birthdate)
        number = WINNING_NUMBER if index in winning else _losing_number(chance)
        yield f"{first_name},{last_name},{document},{birthdate},{number}"


def _chance(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - a sample has no secrets


def _below(chance: Random, limit: int) -> int:
    return int(chance.random() * limit)


def _one_of(chance: Random, names: Sequence[str]) -> str:
    return names[_below(chance, len(names))]


def _spread(chance: Random, count: int, size: int) -> frozenset[int]:
    """``count`` places below ``size``, one in each of as many equal stretches."""

    def place(part: int) -> int:
        start, end = part * size // count, (part + 1) * size // count
        return start + _below(chance, end - start)

    return frozenset(map(place, range(count)))


def _first_name(chance: Random) -> str:
    names = _WOMEN if chance.random() < 0.5 else _MEN
    first = _one_of(chance, names)
    second = _one_of(chance, names) if chance.random() < 0.6 else first
    return first if second == first else f"{first} {second}"


def _last_name(chance: Random) -> str:
    surname = _one_of(chance, _SURNAMES)
    return f"{surname} {_one_of(chance, _SURNAMES)}" if chance.random() < 0.1 else surname


def _birthdate(chance: Random) -> date:
    """Most of all in the middle years: the mean of two equally likely days."""
    share = (chance.random() + chance.random()) / 2
    return date.fromordinal(OLDEST.toordinal() + int(share * (YOUNGEST - OLDEST).days))


def _document(chance: Random, birthdate: date) -> int:
    """Documents are numbered by age: seven digits for those born until 1951, then eight."""
    if birthdate.year < 1952:
        return 4_000_000 + (birthdate.year - 1930) * 270_000 + _below(chance, 270_000)
    return 10_000_000 + (birthdate.year - 1952) * 680_000 + _below(chance, 680_000)


def _losing_number(chance: Random) -> int:
    number = _below(chance, 9999)
    return number if number < WINNING_NUMBER else number + 1
