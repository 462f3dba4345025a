"""What all tests share."""
import os, random, shutil, signal, socket, sys
from pathlib import Path

import pytest

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN: signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs with Ctrl-C ignored, and what they start inherits that


def needs(program):
    "Skip a test where a system program is missing; with ALPACA_COURSE_REQUIRE_TOOLS=1, as in CI, it fails instead."
    if shutil.which(program): return
    (pytest.fail if os.environ.get('ALPACA_COURSE_REQUIRE_TOOLS') == '1' else pytest.skip)(f'{program} is not installed')


def lasting_port():
    "A free port for a server that stops and starts again: below those that a system hands out by chance, so that nobody is given it meanwhile."
    for port in random.SystemRandom().sample(range(20_000, 32_000), 100):
        with socket.socket() as one:
            try: one.bind(('127.0.0.1', port))
            except OSError: continue  # somebody has it
            return port
    pytest.fail('none of 100 ports is free')


@pytest.fixture(scope='module')
def browser():
    "A real chromium driven by node, for the tests of a module."
    needs('chromium'); needs('node')
    sys.path.insert(0, str(Path(__file__).parent/'browser'))
    from driver import Browser, installed
    if not installed(): (pytest.fail if os.environ.get('ALPACA_COURSE_REQUIRE_TOOLS') == '1' else pytest.skip)('playwright-core is not installed: run `npm ci` in tests/browser, or name its folder in NODE_PATH')
    found = Browser()
    yield found
    found.close()
