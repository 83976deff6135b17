"""Doubles of the libraries wandb, mlflow and trackio, which note how they are called.

They have only what `keras_gen.trackers` calls, with the same signatures. The libraries
themselves are tried by hand, in their offline modes.
"""

import types


class Notes(list):
    """Calls in their order, each a tuple of a name and what was passed."""

    def named(self, name):
        return [what for called, what in self if called == name]


def _module(name, **functions):
    module = types.ModuleType(name)
    module.__file__ = f"a double of {name}"
    for key, function in functions.items():
        setattr(module, key, function)
    return module


def wandb(notes):
    class Config:
        def update(self, values, allow_val_change=False):
            assert allow_val_change
            notes.append(("config", values))

    class Run:
        config = Config()

        def __init__(self, id):
            self.id = id

        def define_metric(self, name, step_metric=None):
            notes.append(("define_metric", (name, step_metric)))

        def log(self, values):
            notes.append(("log", values))

        def finish(self, exit_code=None):
            notes.append(("finish", exit_code))

    def init(project, name, dir, config, id, resume):
        notes.append(("init", {"project": project, "name": name, "dir": dir, "id": id}))
        assert resume == "allow" and config
        return Run(id or "w1")

    return _module("wandb", init=init, Image=lambda path: ("image", path))


def mlflow(notes):
    params = {}

    def start_run(run_id=None, run_name=None):
        notes.append(("start_run", (run_id, run_name)))
        data = types.SimpleNamespace(params=dict(params))
        info = types.SimpleNamespace(run_id=run_id or "m1")
        return types.SimpleNamespace(info=info, data=data)

    def log_params(values):
        assert not set(values) & set(params)  # As MLflow refuses to change them.
        params.update(values)
        notes.append(("log_params", values))

    def note(name):
        return lambda *args, **options: notes.append((name, (*args, options)))

    return _module(
        "mlflow",
        start_run=start_run,
        log_params=log_params,
        **{
            name: note(name)
            for name in (
                *("set_experiment", "set_tags", "log_metrics", "log_artifact"),
                "end_run",
            )
        },
    )


def trackio(notes):
    def init(project, name, config, resume, embed):
        notes.append(("init", {"project": project, "name": name, "resume": resume}))
        assert config and not embed
        return types.SimpleNamespace(name=name)

    def log(values, step=None):
        notes.append(("log", (values, step)))

    def finish():
        notes.append(("finish", None))

    image = lambda path: ("image", path)  # noqa: E731
    return _module("trackio", init=init, log=log, finish=finish, Image=image)
