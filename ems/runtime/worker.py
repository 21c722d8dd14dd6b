"""The planner's worker process: pyomo, highspy and pvlib live here and nowhere else in a running system.

Reads one JSON request per line from standard input and answers with one line on standard output; ends when its
input ends, so that it never outlives the daemon. Started as `python -m ems.runtime.worker MIB`, where MIB is the
address space that it may take: a solver that grows past it ends this process, not the site's control.
"""

import os
import resource
import signal
import sys
from contextlib import suppress

from ems.dispatch.milp.engine import DispatchEngine
from ems.errors import EmsError
from ems.forecast.pv import available_kw
from ems.runtime.codec import WorkerAnswer, WorkerRequest, from_json, to_json

_NICE = 10
_BYTES_PER_MIB = 1 << 20


def answer(engine: DispatchEngine, request: WorkerRequest) -> WorkerAnswer:
    """Do what a request asks for; an error of ours becomes an answer, anything else ends the process."""
    try:
        if request.solve is not None:
            make = engine.relax if request.solve.relaxed else engine.solve
            return WorkerAnswer(number=request.number, plan=make(request.solve.problem))
        if request.pv is not None:
            pv = request.pv
            series = tuple(available_kw(plant, pv.place, pv.weather) for plant in pv.plants)
            return WorkerAnswer(number=request.number, pv=series)
    except (EmsError, ValueError) as error:
        return WorkerAnswer(number=request.number, error=str(error))
    return WorkerAnswer(number=request.number, error="an empty request")


def main() -> None:
    """Serve requests until the input ends."""
    # answers go to the original standard output; anything that a library prints goes to standard error
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Ctrl-C reaches every process of a terminal: whoever started this one ends it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # where processors are short, control comes first
    with suppress(OSError):
        os.nice(_NICE)
    if len(sys.argv) > 1:
        limit_bytes = int(sys.argv[1]) * _BYTES_PER_MIB
        resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))
    engine = DispatchEngine()
    for line in sys.stdin.buffer:
        request = from_json(WorkerRequest, line)
        answers.write(to_json(answer(engine, request)) + b"\n")
        answers.flush()


if __name__ == "__main__":
    main()
