"How long each command takes to say `--help`, beside `import torch`: processor seconds of one thread, median of five in turns. `python benchmarks/start.py`."
import os, re, resource, statistics, subprocess, sys
from pathlib import Path

COMMAND = Path(sys.executable).parent/'alpaca-course'
ONE_THREAD = dict(OMP_NUM_THREADS='1', OPENBLAS_NUM_THREADS='1')


def cost(*command):
    "Processor seconds of a command that has to succeed."
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([str(part) for part in command], capture_output=True, check=True, env=os.environ | ONE_THREAD)
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    return end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime


def main(rounds=5):
    usage = subprocess.run([COMMAND, '--help'], capture_output=True, text=True, check=True).stdout
    names = re.search(r'\{([a-z_,-]+)\}', usage)[1].split(',')
    commands = {'import torch': (sys.executable, '-c', 'import torch'), 'import alpaca_course': (sys.executable, '-c', 'import alpaca_course')}
    commands |= {f'{name} --help': (COMMAND, name, '--help') for name in names}
    took = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items(): took[name].append(cost(*command))
    middle = {name: statistics.median(times) for name, times in took.items()}
    for name, seconds in sorted(middle.items(), key=lambda x: -x[1]):
        print(f'{name:24} {seconds:.3f} s ({min(took[name]):.3f} to {max(took[name]):.3f}, n = {rounds})  {seconds/middle["import torch"]:.3f} of `import torch`')


if __name__ == '__main__': main()
