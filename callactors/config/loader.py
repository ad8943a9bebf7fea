"""callactors.yaml from text to Config: tree, environment, schema, checks, availability. Opens no user's file.

The embedded default is a file too: default.yaml beside this one, shipped in the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from itertools import chain, islice

from callactors.config import available, checks, tree
from callactors.config.build import Builder
from callactors.config.config import Config, from_settings
from callactors.config.environment import expand
from callactors.config.problems import MOST, ConfigErrors, Marks, Problems
from callactors.config.schema import Settings

DEFAULT = "default.yaml"


def load(text: str, file: str, environ: Mapping[str, str]) -> Config:
    """A Config from the text of callactors.yaml; `file` is what messages call it.

    Raises ConfigErrors (a ConfigError) with every problem that can be found in one pass.
    """
    problems = Problems(file)
    root = expand(tree.read(text, problems), environ, problems)
    builder = Builder(problems)
    settings = builder.struct(root, Settings)
    problems.raise_any()
    assert settings is not None  # the builder reports whenever it returns None
    config = from_settings(settings, Marks(file, builder.lines))
    if found := list(islice(chain(checks.check(config), available.check(config)), MOST)):
        raise ConfigErrors(found)
    return config


def default() -> Config:
    """The embedded default: 127.0.0.1 only, any number from loopback, no key."""
    return load(default_text(), DEFAULT, {})


def default_text() -> str:
    """The text of the shipped default.yaml."""
    return resources.files("callactors.config").joinpath(DEFAULT).read_text("utf-8")
