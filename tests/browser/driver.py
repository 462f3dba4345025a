"A real browser for tests: Chromium by playwright-core, one command a line."
import json, os, shutil, subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent


class Browser:
    "Pages by name, each with cookies of its own; `log` holds requests, errors and dialogs."
    def __init__(self):
        self.process = subprocess.Popen(['node', HERE/'drive.cjs', shutil.which('chromium')], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding='utf-8')

    def __call__(self, do, page='', **more):
        self.process.stdin.write(json.dumps(dict(do=do, page=page, **more)) + '\n'); self.process.stdin.flush()
        reply = json.loads(self.process.stdout.readline() or '{"error": "the browser is gone"}')
        assert 'error' not in reply, f'{do} {more}: {reply["error"]}'
        return reply['ok']

    def close(self):
        self.process.stdin.close()
        try: self.process.wait(60)
        except subprocess.TimeoutExpired: self.process.kill()


def installed():
    "True where `npm ci` was run in this folder, or NODE_PATH names another one with playwright-core."
    return any((Path(folder)/'playwright-core').is_dir() for folder in [HERE/'node_modules', *filter(None, os.environ.get('NODE_PATH', '').split(os.pathsep))])
