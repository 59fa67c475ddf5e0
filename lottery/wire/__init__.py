"""Bytes on TCP, without any I/O.

``messages``   what may be said, as values
``classic``    the classic dialect: its bytes, both directions
``lottery1``   lottery/1: its bytes, both directions
``decoder``    cuts a stream of bytes into messages, whatever the chunks
``states``     who may say what when: one table for both dialects

``docs/protocol.md`` is normative for all of them.
"""
