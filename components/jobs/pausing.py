"""Pausing jobs and letting them go on, in the harness's own form (hermes-agent 0.19, its cron/jobs.py).

Being paused is run-time state of a job: it shows in the harness's list, can be resumed by hand, and is neither drift nor
undone by an update. Whoever pauses here begins the reason with words of his own, and resumes only what has them.
"""

import store


def paused(jobs: list, reason: str, every: bool = False) -> list:
    """The jobs with all that ask a model paused (`every`: the others too), as `hermes cron pause` does it."""
    stop = {"enabled": False, "state": "paused", "paused_at": store.now(), "paused_reason": reason}

    def goes(job: object) -> bool:
        return isinstance(job, dict) and job.get("enabled", True) and (every or not job.get("no_agent"))

    return [{**job, **stop} if goes(job) else job for job in jobs]


def resumed(jobs: list, reason: str) -> list:
    """The jobs with those going on that were paused for a reason that begins so."""

    def waits(job: object) -> bool:
        why = job.get("paused_reason") if isinstance(job, dict) else None
        return isinstance(why, str) and why.startswith(reason) and job.get("state") == "paused"

    return [going_on(job) if waits(job) else job for job in jobs]


def going_on(job: dict) -> dict:
    """As `hermes cron resume` does it. When a repeated job is due next the harness works out; all at once is not it."""
    schedule = job.get("schedule")
    once = isinstance(schedule, dict) and schedule.get("kind") == "once"
    go_on = {"enabled": True, "state": "scheduled", "paused_at": None, "paused_reason": None}
    return {**job, **go_on, **({} if once else {"next_run_at": None})}


def change(home: str, how) -> int:
    """Does something to the list of jobs, under the gateway's lock. Says how many differ afterwards."""
    with store.cron_folder(home) as cron:
        # Without the folder the gateway has not been here yet, and there are no jobs.
        if cron is None:
            return 0
        with store.locked(cron):
            jobs = store.read_jobs(cron)
            after = how(jobs)
            changed = sum(old is not new for old, new in zip(jobs, after, strict=True))
            if changed:
                store.write_jobs(cron, after)
            return changed
