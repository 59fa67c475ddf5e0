"""``lottery compose``: write the docker compose file of a central and its agencies.

It uses only what docker-compose 1.29 and docker compose 2 both accept: no ``version``, no
``name``, no ``start_interval``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TextIO

from lottery.command.words import AnyOrderOptions
from lottery.errors import SettingsError

#: More containers than that are not run on one host.
MOST_AGENCIES: Final = 1000

_HEAD: Final = """\
# {described}, as `lottery compose FILE {agencies}` writes it.
#
# From the environment, both relative to the folder of this file:
#   CONFIG_DIR  the folder of config.ini and config.yaml, ./compose if it is not set
#   INPUT_DIR   the folder of agency-1.csv, agency-2.csv, ..., ./data if it is not set
"""

_AGENCY: Final = """
x-config: &config
  type: bind
  source: ${CONFIG_DIR:-./compose}/config.yaml
  target: /etc/lottery/config.yaml
  read_only: true

x-agency: &agency
  image: lottery-central:latest
  command: ["lottery", "agency", "--config", "/etc/lottery/config.yaml"]
  networks: [testing_net]
  depends_on:
    server:
      condition: service_healthy
  stop_grace_period: 10s
  read_only: true
  cap_drop: [ALL]
  security_opt: ["no-new-privileges:true"]
"""

_SERVER: Final = """
services:
  server:
    image: lottery-central:latest
    command: ["lottery", "serve", "--config", "/etc/lottery/config.ini"]
    environment:
      # Open, without certificates, to testing_net and to who is on this host: no port of the host
      # leads there. The central would not start otherwise: it has to be told that this is meant.
      SERVER_HOST: 0.0.0.0
      LOTTERY_INSECURE: "yes"
{places}    networks: [testing_net]
    volumes:
      - type: bind
        source: ${{CONFIG_DIR:-./compose}}/config.ini
        target: /etc/lottery/config.ini
        read_only: true
      - type: volume
        source: ledger
        target: /var/lib/lottery
    healthcheck:
      test: ["CMD", "lottery", "probe", "--config", "/etc/lottery/config.ini"]
      interval: 3s
      timeout: 5s
      retries: 5
      start_period: 60s
    restart: on-failure:5
    stop_grace_period: 10s
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
"""

_CLIENT: Final = """
  client{agency}:
    <<: *agency
    environment:
      CLI_ID: "{agency}"
      CLI_AGENCY_FILEPATH: /data/agency-{agency}.csv
      OUTPUT_FILE: /winners/winners-{agency}.csv
    volumes:
      - *config
      - type: bind
        source: ${{INPUT_DIR:-./data}}/agency-{agency}.csv
        target: /data/agency-{agency}.csv
        read_only: true
      - type: volume
        source: winners{agency}
        target: /winners
"""

_TAIL: Final = """
networks:
  testing_net:

volumes:
  ledger:
"""


class Options(AnyOrderOptions):
    """What ``lottery compose`` can be told.

    :raise SettingsError: while parsing, unless there are a file and a number of agencies.
    """

    synopsis = "FILE N"
    longdesc = (
        "Writes FILE, a docker compose file with a central, the service server, and N agencies, "
        "client1 to clientN. With 0 it is the central alone, with its default number of places. "
        "A file of that name is replaced."
    )

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse the words; a negative number behind FILE is a wrong number, and no option."""
        words = list(sys.argv[1:] if options is None else options)
        if len(words) == 2 and re.match("-[0-9]", words[1]):
            words.insert(0, "--")
        super().parseOptions(words)

    def parseArgs(self, *words: str) -> None:
        """Take the file and the number."""
        if len(words) != 2:
            raise SettingsError("a file and a number of agencies are needed, as in FILE 5")
        self["file"], number = words
        if not re.fullmatch("[0-9]{1,9}", number) or int(number) > MOST_AGENCIES:
            raise SettingsError(
                f"the number of agencies is {number!r}, it must be a whole number "
                f"from 0 to {MOST_AGENCIES}"
            )
        self["agencies"] = int(number)


def run(options: Options, stdout: TextIO) -> int:
    """Write the file and print a line about it.

    :return: the exit status.
    :raise SettingsError: if the file cannot be written.
    """
    path, agencies = options["file"], options["agencies"]
    try:
        Path(path).write_text("".join(_parts(agencies)), encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingsError(f"cannot write to {path}, {reason}") from error
    stdout.write(f"{path}  {_described(agencies)}\n")
    return 0


def _parts(agencies: int) -> Iterator[str]:
    """The text of the file, piece by piece."""
    yield _HEAD.format(described=_described(agencies), agencies=agencies)
    if agencies:
        yield _AGENCY
    places = f'      AGENCIES_AMOUNT: "{agencies}"\n' if agencies else ""
    yield _SERVER.format(places=places)
    for agency in range(1, agencies + 1):
        yield _CLIENT.format(agency=agency)
    yield _TAIL
    for agency in range(1, agencies + 1):
        yield f"  winners{agency}:\n"


def _described(agencies: int) -> str:
    """What is in the file."""
    if agencies == 0:
        return "A central alone"
    return f"A central and {agencies} {'agency' if agencies == 1 else 'agencies'}"
