"""How the lottery central is packaged."""

import re
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
# Read, not imported: what the package imports is not installed yet when this runs.
version = re.search(
    r'^__version__ = "([^"]+)"$',
    (here / "lottery" / "__init__.py").read_text(encoding="utf-8"),
    re.MULTILINE,
)
assert version is not None
readme = here / "README.md"

TLS = ["Twisted[tls]>=24.7", "cryptography>=42"]
METRICS = ["prometheus-client>=0.20"]
POSTGRES = ["psycopg[binary]>=3.1"]
TEST = [
    *TLS,
    *METRICS,
    *POSTGRES,
    "pytest>=8",
    "pytest-twisted>=1.14",
    "pytest-xdist>=3.5",
    "hypothesis>=6.100",
    "trustme>=1.1",
]

setup(
    name="lottery-central",
    version=version[1],
    description="A central that takes the bets of lottery agencies, stores them and draws",
    long_description=readme.read_text(encoding="utf-8") if readme.exists() else "",
    long_description_content_type="text/markdown",
    author="The lottery central authors",
    license="MIT",
    classifiers=[
        "Framework :: Twisted",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    # With this line, an editable install is a .pth file and not an import hook, and twistd looks
    # for plugins only in real directories of sys.path.
    package_dir={"": "."},
    # twisted/plugins must not have an __init__.py, so find_packages does not see it.
    packages=[*find_packages(include=["lottery", "lottery.*"]), "twisted.plugins"],
    package_data={"lottery": ["py.typed"], "lottery.ops": ["page/*"]},
    install_requires=["Twisted>=24.7", "attrs>=22.2", "PyYAML>=6", "rich>=13"],
    extras_require={
        "tls": TLS,
        "postgres": POSTGRES,
        "metrics": METRICS,
        "test": TEST,
        # Playwright drives the Chromium that is there; it fetches none of its own.
        "browser": [*TEST, "playwright>=1.44", "axe-playwright-python>=0.1.4"],
        "fuzz": ["atheris>=2.3"],
        "dev": [
            *TEST,
            "build",
            "coverage>=7.10",
            "mypy>=1.11",
            "mypy-zope>=1.0.5",
            "ruff>=0.6",
            "tox>=4",
            "types-PyYAML",
        ],
    },
    entry_points={"console_scripts": ["lottery = lottery.command:main"]},
    zip_safe=False,
)
