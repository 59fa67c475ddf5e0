"""The bugs that are planted: one table. A mutant is what somebody could really have written.

``old`` has to stand exactly once in its file. ``tests`` is the narrowest selection that has to
fail; it names tests of what is promised where there are some, not of how it is done.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Edit(NamedTuple):
    """In a file of the repository, one text in place of another."""

    file: str
    old: str
    new: str


class Mutant(NamedTuple):
    """A bug: what it is, how it is planted, and which tests have to find it."""

    name: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


MUTANTS: Final = (
    Mutant(
        "acknowledged before the flush",
        (
            Edit(
                "lottery/writer/child.py",
                "            if self._unflushed:\n",
                "            if self._unflushed and self._in_hand >= GROUP_BYTES:\n",
            ),
        ),
        ("tests/test_writer_child.py::test_answers_leave_only_after_the_flush",),
    ),
    Mutant(
        "a new segment without a flush of its directory",
        (
            Edit(
                "lottery/ledger/segment.py",
                '        flush_directory(os.path.dirname(path) or ".")\n',
                "",
            ),
        ),
        ("tests/test_ledger_segment.py::test_making_a_segment_flushes_its_directory",),
    ),
    Mutant(
        "a published file without a flush of its directory",
        (
            Edit(
                "lottery/ledger/publish.py",
                "        temporary.unlink(missing_ok=True)\n        raise\n"
                "    flush_directory(str(path.parent))\n",
                "        temporary.unlink(missing_ok=True)\n        raise\n",
            ),
        ),
        ("tests/test_ledger_publish.py::test_order",),
    ),
    Mutant(
        "renamed without a flush of the data",
        (Edit("lottery/ledger/publish.py", "            os.fsync(out.fileno())\n", ""),),
        ("tests/test_ledger_publish.py::test_order",),
    ),
    Mutant(
        "a failed flush is tried again",
        (
            Edit(
                "lottery/ledger/segment.py",
                "        os.fdatasync(self._fd)\n        self.flushed = self._written\n\n"
                "    def close(",
                "        try:\n            os.fdatasync(self._fd)\n        except OSError:\n"
                "            os.fdatasync(self._fd)\n        self.flushed = self._written\n\n"
                "    def close(",
            ),
        ),
        ("tests/faults/test_disk_errors.py::test_nothing_is_acknowledged_behind_a_failed_flush",),
    ),
    Mutant(
        "a writer goes on after a failed flush",
        (
            Edit(
                "lottery/writer/child.py",
                "            # would not tell: nothing of this group may be acknowledged, ever.\n"
                '            raise self._failed(Exit.DISK, "written", error) from error\n',
                "            pass\n",
            ),
        ),
        ("tests/test_writer_child.py::test_flush_without_room_is_the_end",),
    ),
    Mutant(
        "counted before the salvage",
        (
            Edit(
                "lottery/ledger/files.py",
                "        torn = salvage(segment, self.number, number, anew=True)\n",
                "        torn = None\n",
            ),
        ),
        ("tests/test_writer_pool.py::test_a_dead_writers_seats_are_settled_by_its_salvage",),
    ),
    Mutant(
        "salvaged by a look at the file only",
        (
            Edit(
                "lottery/ledger/files.py",
                "        torn = salvage(segment, self.number, number, anew=True)\n",
                "        torn = salvage(segment, self.number, number)\n",
            ),
        ),
        ("tests/test_writer_pool.py::test_a_closed_segment_is_written_anew",),
    ),
    Mutant(
        "no check of the index",
        (
            Edit(
                "lottery/writer/desk.py",
                "        if first != self.next_index:\n",
                "        if first < 0:\n",
            ),
        ),
        ("tests/test_writer_desk.py::test_batch_out_of_its_place",),
    ),
    Mutant(
        "no cut back after a short write",
        (
            Edit(
                "lottery/ledger/segment.py",
                "        if written != len(data):\n            self._cut_back()\n",
                "        if written != len(data):\n",
            ),
        ),
        ("tests/test_ledger_segment.py::test_a_real_limit",),
    ),
    Mutant(
        "a cut back that is not flushed",
        (
            Edit(
                "lottery/ledger/segment.py",
                "        os.ftruncate(self._fd, self._written)\n        os.fdatasync(self._fd)\n",
                "        os.ftruncate(self._fd, self._written)\n",
            ),
        ),
        ("tests/test_ledger_segment.py::test_no_room_is_cut_back_and_flushed",),
    ),
    Mutant(
        "loseConnection, and no abort",
        (
            Edit(
                "lottery/central/connection.py",
                "        self.overdue = True\n        self.abort()\n",
                "        self.overdue = True\n        self.transport.loseConnection()\n",
            ),
        ),
        ("tests/test_central_connection.py::test_leaving_has_an_end",),
    ),
    Mutant(
        "no lock on a segment",
        (
            Edit(
                "lottery/ledger/segment.py",
                "        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
                "",
            ),
        ),
        ("tests/test_ledger_segment.py::test_segment_is_locked_for_its_life",),
    ),
    Mutant(
        "no lock on the data directory",
        (
            Edit(
                "lottery/ledger/directory.py",
                "        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
                "        pass\n",
            ),
        ),
        ("tests/test_ledger_directory.py::test_second_owner_is_refused_and_told_who_the_first_is",),
    ),
    Mutant(
        "writers that do not hold the lock",
        (
            Edit(
                "lottery/writer/pool.py",
                "        fds |= plan.inherits\n",
                "",
            ),
        ),
        ("tests/test_writer_pool.py::test_command",),
    ),
    Mutant(
        "drawn again on a restart",
        (
            Edit(
                "lottery/central/conclusion.py",
                '        if self.record.state == "sealed":\n',
                '        if self.record.state in ("sealed", "drawn"):\n',
            ),
            Edit(
                "lottery/ledger/seal.py",
                '    _expect(record, "sealed")\n',
                '    _expect(record, "sealed", "drawn")\n',
            ),
        ),
        ("tests/mutants/test_drawn_once.py",),
    ),
    Mutant(
        "everybody's winners to everybody",
        (
            Edit(
                "lottery/central/conclusion.py",
                "session.deliver(self.number, number, winners.get(agency, []))\n",
                "session.deliver(self.number, number, sum(winners.values(), []))\n",
            ),
        ),
        ("tests/test_central_service.py::test_each_agency_gets_its_own_winners",),
    ),
    Mutant(
        "an END is not checked",
        (
            Edit(
                "lottery/writer/desk.py",
                "        if order.amount and order.place != total:\n",
                "        if order.amount and order.place < 0:\n",
            ),
        ),
        ("tests/test_writer_desk.py::test_end_with_another_total",),
    ),
    Mutant(
        "a tail of NULs is accepted",
        (
            Edit(
                "lottery/ledger/segment.py",
                "    if crc != _CRC.unpack_from(data, body - _CRC.size)[0]:\n",
                "    whole = crc == _CRC.unpack_from(data, body - _CRC.size)[0]\n"
                '    if not whole and data[body + length - 1 : body + length] != b"\\0":\n',
            ),
        ),
        ("tests/test_ledger_salvage.py::test_any_tail",),
    ),
    Mutant(
        "damage taken for a torn tail",
        (
            Edit(
                "lottery/ledger/reading.py",
                "            if self.end < record.flushed <= place:\n",
                "            if place < record.flushed:\n",
            ),
        ),
        ("tests/test_ledger_reading.py::test_damage_below_what_was_flushed",),
    ),
    Mutant(
        "the sum of the file is not checked by an agency that returns",
        (
            Edit(
                "lottery/agency/upload.py",
                "        if self._passed_crc != welcome.crc:\n",
                "        if self._passed_crc != welcome.crc and self._passed > stored:\n",
            ),
        ),
        ("tests/test_agency_upload.py",),
    ),
    Mutant(
        "a session that is fenced is not told",
        (
            Edit(
                "lottery/central/place.py",
                "            older.fail(Code.TAKEN, "
                'f"a newer session of agency {self.agency} has come")\n',
                "            pass\n",
            ),
        ),
        ("tests/test_central_place.py::test_a_newer_session_fences_the_older",),
    ),
    Mutant(
        "welcomed while batches are under way",
        (
            Edit(
                "lottery/central/draw.py",
                "        place.when_settled(lambda: self._welcome(place, session))\n",
                "        self._welcome(place, session)\n",
            ),
        ),
        ("tests/test_central_draw.py::test_back_where_it_was",),
    ),
    Mutant(
        "a draw over less than was acknowledged",
        (
            Edit(
                "lottery/ledger/index.py",
                "        if found == bets and part is not None and part.end is not None:\n",
                "        if found <= bets:\n",
            ),
        ),
        ("tests/test_ledger_index.py::test_what_is_required",),
    ),
    Mutant(
        "drawn before the seal is published",
        (
            Edit(
                "lottery/ledger/seal.py",
                "    publish(sealed, directory.record)\n",
                "",
            ),
        ),
        ("tests/test_ledger_seal.py::test_order_of_publication",),
    ),
    Mutant(
        "bets.csv is not checked before the draw",
        (
            Edit(
                "lottery/ledger/checked.py",
                "    if measure.digest(digest.bets) != digest:\n",
                "    if measure.digest(digest.bets).bets != digest.bets:\n",
            ),
        ),
        ("tests/test_ledger_checked.py::test_another_file",),
    ),
    Mutant(
        "a digit that is none in a document",
        (
            Edit(
                "lottery/bets.py",
                '    return rb"%b,%b,[0-9]{1,15}+,',
                '    return rb"%b,%b,[0-9\\xb2\\xc2]{1,15}+,',
            ),
        ),
        ("tests/test_bets.py",),
    ),
    Mutant(
        "no room is left free",
        (
            Edit(
                "lottery/ledger/segment.py",
                "        if self._min_free and self._free() < self._min_free + len(data):\n",
                "        if self._min_free and self._free() < len(data):\n",
            ),
        ),
        ("tests/test_ledger_segment.py::test_room_is_left_free",),
    ),
    Mutant(
        "the number of a HELLO is not compared with the certificate",
        (
            Edit(
                "lottery/central/admission.py",
                "        if agency != certified.number:\n",
                "        if not self.knows(agency):\n",
            ),
        ),
        ("tests/test_central_session.py::test_another_number_than_the_certificate_says",),
    ),
    Mutant(
        "classic agencies get in beside a roster",
        (
            Edit(
                "lottery/central/seated.py",
                "        self.factory.admission.check_classic()\n",
                "",
            ),
        ),
        ("tests/test_central_session.py::test_a_classic_agency_where_there_is_a_roster",),
    ),
    Mutant(
        "no certificate is good enough",
        (
            Edit(
                "lottery/central/tls.py",
                "SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT",
                "SSL.VERIFY_PEER",
            ),
        ),
        ("tests/test_central_tls.py::test_refused_in_the_handshake",),
    ),
    Mutant(
        "what is wrong with a certificate is only noted",
        (Edit("lottery/central/tls.py", "    return bool(good)\n", "    return True\n"),),
        ("tests/test_central_tls.py::test_refused_in_the_handshake",),
    ),
    Mutant(
        "what was sent behind a handshake is heard before the roster is looked at",
        (
            Edit(
                "lottery/central/identity.py",
                "            self._certified = self.factory.admission.whose("
                "self._marks, self._authorities)\n"
                "        except RemoteProtocolError as error:\n"
                "            self.fail(error.code, error.sentence)\n",
                "            self._certified = self.factory.admission.whose("
                "self._marks, self._authorities)\n"
                "        except RemoteProtocolError:\n"
                "            pass\n",
            ),
        ),
        ("tests/test_central_identity.py::test_the_certificate_of_nobody",),
    ),
    Mutant(
        "another roster is not held against those who are in",
        (Edit("lottery/central/service.py", "            self._factory.check_roster()\n", ""),),
        ("tests/test_central_service.py::test_reload",),
    ),
    Mutant(
        "two reloads at once",
        (
            Edit(
                "lottery/central/door.py",
                "        await self._reloading.acquire()  "
                "# or what was read first could be in force last\n",
                "",
            ),
            Edit(
                "lottery/central/door.py",
                "            self._reloading.release()\n",
                "            pass\n",
            ),
        ),
        ("tests/test_central_service.py::test_two_reloads_at_once",),
    ),
    Mutant(
        "the place of a removed agency is not decided",
        (
            Edit(
                "lottery/central/draw.py",
                "                place.leave_out("
                'LeftOut(Code.AUTH, "it is not on the roster any more"))\n',
                "                pass\n",
            ),
        ),
        ("tests/test_central_draw.py::test_a_place_of_a_removed_agency_that_is_away",),
    ),
    Mutant(
        "a place that nobody can take any more is waited for",
        (
            Edit(
                "lottery/central/draw.py",
                "            place.fail("
                'LeftOut(Code.AUTH, "nobody of the roster is left for it"))\n',
                "            pass\n",
            ),
        ),
        ("tests/test_central_service.py::test_reload_does_not_wait_for_removed_agencies",),
    ),
    Mutant(
        "the time of strangers never begins",
        (
            Edit(
                "lottery/central/strangers.py",
                "            self._timer = self._clock.callLater(self._seconds, self._look)\n",
                "            pass\n",
            ),
        ),
        ("tests/test_central_identity.py::test_a_handshake_that_takes_too_long",),
    ),
    Mutant(
        "a trickle sets the clock of a frame back",
        (
            Edit(
                "lottery/central/receiver.py",
                "            if not self._decoder.unread:\n"
                "                self._turn.frame_begins()\n",
                "            self._turn.frame_begins()\n",
            ),
        ),
        ("tests/test_central_session.py::test_a_frame_that_trickles",),
    ),
    Mutant(
        "comings are not counted",
        (
            Edit(
                "lottery/central/draws.py",
                "        self._reconnects.comes(hello.agency)\n",
                "",
            ),
        ),
        ("tests/test_central_draws.py::test_an_agency_that_comes_too_often",),
    ),
    Mutant(
        "only the first listener is asked who can reach it",
        (
            Edit(
                "lottery/central/door.py",
                "zip(self._listeners, self.ports, where, strict=True)",
                "zip(self._listeners, self.ports[:1], where, strict=False)",
            ),
        ),
        ("tests/test_central_door.py::test_beyond_the_host_without_a_roster",),
    ),
    Mutant(
        "a name of anybody's leads to the status page",
        (
            Edit(
                "lottery/ops/site.py",
                "return len(hosts) == 1 and is_our_name(hosts[0], channel.site.names)",
                "return len(hosts) == 1",
            ),
        ),
        ("tests/test_ops_site.py::test_for_somebody_else",),
    ),
    Mutant(
        "a page that never reads is kept for ever",
        (
            Edit(
                "lottery/ops/stalls.py",
                "        if transport is not None:\n            transport.abortConnection()\n",
                "        del transport\n",
            ),
        ),
        ("tests/test_ops_streams.py::test_a_page_that_never_reads_is_dropped",),
    ),
    Mutant(
        "a page that does not read is told all the same",
        (
            Edit(
                "lottery/ops/streams.py",
                "        while not self._paused:\n",
                "        while True:\n",
            ),
        ),
        ("tests/test_ops_streams.py::test_many_agencies_come_in_pieces",),
    ),
    Mutant(
        "documents of winners are shown to everybody",
        (
            Edit(
                "lottery/ops/archive.py",
                "if not self._documents or record.state",
                "if record.state",
            ),
        ),
        ("tests/test_ops_api.py::test_a_draw",),
    ),
    Mutant(
        "a writer that does not lock the parts of its agencies",
        (
            Edit(
                "lottery/ledger/postgres/store.py",
                "ORDER BY agency FOR UPDATE\n",
                "ORDER BY agency\n",
            ),
        ),
        ("tests/integration/test_postgres_store.py",),
    ),
    Mutant(
        "a session that was told wrong leaves a hole in a database",
        (
            Edit(
                "lottery/ledger/postgres/store.py",
                "                self._see_that_they_follow(connection, entries)\n",
                "",
            ),
        ),
        ("tests/integration/test_postgres_store.py::test_a_session_that_was_told_wrong",),
    ),
    Mutant(
        "a commit that the standby has not confirmed",
        (
            Edit(
                "lottery/ledger/postgres/connection.py",
                '    if "WARNING" in severities:\n',
                '    if "ERROR" in severities:\n',
            ),
        ),
        ("tests/integration/test_postgres_store.py::test_a_commit_that_is_not_confirmed",),
    ),
    Mutant(
        "each central draws a number of its own",
        (
            Edit(
                "lottery/ledger/postgres/draw.py",
                '            if found.state != "sealed":\n                return found\n',
                "",
            ),
        ),
        ("tests/integration/test_shared_races.py",),
    ),
    Mutant(
        "whoever was told so has closed the draw over others",
        (
            Edit(
                "lottery/central/conclusion.py",
                "        self._is_closing = False\n        self._add_places()\n",
                "        self._is_closing = False\n",
            ),
        ),
        ("tests/test_central_roll.py::test_one_that_another_roster_lets_in",),
    ),
    Mutant(
        "an agency that waits for the database is away",
        (
            Edit(
                "lottery/central/place.py",
                "        if self.arriving:\n            self._rejoin",
                "        if False:\n            self._rejoin",
            ),
        ),
        ("tests/test_central_roll.py::test_an_agency_that_waits_longer_than_it_may_be_away",),
    ),
    Mutant(
        "the lease of another central never ends",
        (
            Edit(
                "lottery/central/roll.py",
                "        return silent < LEASE_SECONDS\n",
                "        return silent >= 0\n",
            ),
        ),
        ("tests/test_central_roll.py::test_a_central_that_dies",),
    ),
)
