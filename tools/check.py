"""The checks behind `make test`: run all of them, say pass or fail and the seconds of each, exit 1 when any failed."""
import hashlib, os, re, subprocess, sys, time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
LESSONS, LIBRARY = 'nbs/**/*.ipynb', 'alpaca_course/**/*.py'

class Failed(Exception):
    "A check that did not pass; the message says why."

def run(*command):
    "Run `command` in the top folder, show its output as it comes and return it; raise Failed when it exits other than 0."
    process = subprocess.Popen([str(part) for part in command], cwd=ROOT, text=True, encoding='utf-8', errors='replace',
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, 'PYTHONUNBUFFERED': '1'})
    lines = []
    for line in process.stdout:
        print(line, end='', flush=True)
        lines.append(line)
    if process.wait():
        said = [line.strip() for line in lines if line.strip()]
        raise Failed(said[-1] if said else f'{Path(command[0]).name} exited with {process.returncode}')
    return ''.join(lines)

def files(pattern):
    "The files that `pattern` matches in the checkout; folders that start with . or _ are not part of it."
    found = (path.relative_to(ROOT) for path in ROOT.glob(pattern))
    return [path for path in found if not any(part[0] in '._' for part in path.parts[:-1])]

def hashes(pattern): return {str(path): hashlib.sha256((ROOT/path).read_bytes()).hexdigest() for path in files(pattern)}

def unchanged(command, pattern, advice):
    "Run `command`; raise Failed with `advice` when a file of `pattern` is not what it was. Uncommitted work is no change."
    before = hashes(pattern)
    run(BIN/command)
    after = hashes(pattern)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if changed: raise Failed(f'{advice}: {", ".join(changed)}')
    return f'{len(after)} files unchanged'

def clean(): return unchanged('nbdev_clean', LESSONS, 'cleaned just now, commit the result')
def export(): return unchanged('nbdev_export', LIBRARY, 'exported just now, commit the result')

def lessons():
    "Run every notebook, two at a time where there are two cores; a notebook that did not run is a failure."
    expected = {str(path) for path in files(LESSONS)}
    output = run(BIN/'nbdev_test', '--do_print', '--timing', '--n_workers', 2 if (os.cpu_count() or 1) > 1 else 0)
    ran = {str(Path(name).relative_to(ROOT)) for name in re.findall(r'- Completed (.+?\.ipynb)', output)}
    if ran != expected: raise Failed(f'{len(ran)} of {len(expected)} notebooks ran; missing: {", ".join(sorted(expected - ran))}')
    return f'{len(ran)} notebooks ran'

def readme(): return run(sys.executable, ROOT/'tools/readme.py', '--check') or 'as nbs/index.ipynb and the lessons say'
def tests(): return run(sys.executable, '-m', 'pytest', '-q', '-n', 2 if (os.cpu_count() or 1) > 1 else 0, '--dist', 'loadfile').strip().splitlines()[-1]

CHECKS = {'nbdev_clean': clean, 'nbdev_export': export, 'nbdev_test': lessons, 'README': readme, 'pytest': tests}

def main():
    report = []
    for name, check in CHECKS.items():
        print(f'== {name}', flush=True)
        start = time.monotonic()
        try: verdict, said = 'pass', check()
        except Failed as error: verdict, said = 'FAIL', str(error)
        report.append(f'{verdict}  {name:12}  {time.monotonic() - start:4.0f} s  {said}')
        print(report[-1] + '\n', flush=True)
    failed = sum(line.startswith('FAIL') for line in report)
    print('== make test', *report, f'{len(report) - failed} of {len(report)} checks passed', sep='\n')
    sys.exit(failed > 0)

if __name__ == '__main__':
    try: main()
    except KeyboardInterrupt: sys.exit(130)
