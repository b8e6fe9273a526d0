"""Benchmarks: what one core of the server gives. `python -m tests.benchmarks`, or `make bench`.

    __main__.py      the command             processes.py       servers: start, CPU time, memory, end
    measures.py      one process, in memory  windows.py         a server watched at work; closed loops
    over_redis.py    several processes       plan.py            what a measure is told
    side_by_side.py  other Channels layers   channels_app.py    an application on those
    report.py        figures and tables      load.py            the clients, on frames.py, commands.py
    stages.py        a publication's stages, each alone, without a server
    sources.py       who publishes past the servers; source_process.py: in a process of its own
    floor.py         the least that a Python server can do
    machine.py       what it ran on          settings.py        Django settings of the measured server
    results/         the last full run       test_harness.py    the harness counts right

How figures come about:
- The server has one core and the load another. The server works as fast as it is asked to; a figure is
  the CPU time its process used, user and system apart (/proc/PID/stat), divided by the units of work.
  The sum of the two is exact to 10 ms. Their split is sampled at the kernel's ticks: from one second of
  CPU it has an error of some percent, and it is biased where other programs share the core, since turns
  on it then begin with a tick. The report says when they do.
- What is compared is measured in turn, round by round: server and floor with one publication outstanding,
  then both with eight. With one, the server waits for its publisher now and then; with eight it is
  saturated, and may put what arrives together into one write. The floor never does.
- Redis shares the load's core. Through it, publications come from the load's own process, so that the
  server's CPU time is that of receiving and delivering. Rates of publishing are those of one process
  which has the servers' core: they end where Redis does, and are what the clock on the wall says.
- A run counts: every publication must have reached every subscriber, every request its answer, and no
  connection may have been lost, else there is no figure.
- A full run of all measures and servers is stored under results/; anything less is only printed.
"""
