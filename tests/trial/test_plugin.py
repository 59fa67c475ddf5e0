"""``twistd`` finds the plugin, and it makes a service."""

# ruff: noqa: PT009, PT027 - under trial only its own assertions say what was compared

from __future__ import annotations

import io
import os
import sys

from twisted.application.service import IService, IServiceMaker
from twisted.plugin import IPlugin, getPlugins
from twisted.python import usage
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from lottery.tap import Options, TwistdCentral


class PluginTests(TestCase):
    """The one line of ``twistd --help`` that is ours."""

    def setUp(self) -> None:
        """Find it among all."""
        found = [maker for maker in getPlugins(IServiceMaker) if maker.tapname == "lottery"]
        self.assertEqual(len(found), 1, "there is one plugin of that name")
        self.maker = found[0]

    def test_face(self) -> None:
        """It is a plugin that makes a service, with a line about itself."""
        verifyObject(IPlugin, self.maker)
        verifyObject(IServiceMaker, self.maker)
        self.assertEqual(self.maker.module, "lottery.tap")
        self.assertIn("bets", self.maker.description)

    def test_options(self) -> None:
        """Its options are those of the central."""
        self.assertIs(self.maker.options, Options)
        self.assertTrue(issubclass(self.maker.options, usage.Options))

    def test_service(self) -> None:
        """What it makes can be started; it has done nothing yet."""
        directory = self.mktemp()
        options = self.maker.options()
        options.parseOptions(["--data-dir", directory, "--listen", "tcp:0", "--agencies", "2"])
        service = self.maker.makeService(options)
        verifyObject(IService, service)
        self.assertIsInstance(service, TwistdCentral)
        self.assertFalse(service.running)
        self.assertFalse(os.path.exists(directory))

    def test_a_wrong_option(self) -> None:
        """Status 2 and a sentence, where ``twistd`` alone would end with 0."""
        options = self.maker.options()
        stderr = io.StringIO()
        self.patch(sys, "stderr", stderr)
        with self.assertRaises(SystemExit) as end:
            options.parseOptions(["--agencies", "none"])
        self.assertEqual(end.exception.code, 2)
        self.assertEqual(
            stderr.getvalue(),
            "lottery: option --agencies is 'none', it must be a whole number from 1 to 1000000\n",
        )
