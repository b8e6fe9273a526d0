"""Watches the rows of a model: created, changed, deleted. Relations without a model are in relations.py."""

from collections.abc import Collection
from typing import Any

from django.apps import apps
from django.db.models import Model
from django.db.models.signals import post_save, pre_delete, pre_save

from realtime.revocation.batch import Batch
from realtime.revocation.commit import note
from realtime.revocation.dependency import Dependency

# Where a row's save keeps what stood there before it.
_BEFORE = "_realtime_before"

_of_rows: dict[type[Model], list[Dependency]] = {}


def watch_rows(model: type[Model], dependency: Dependency) -> None:
    for each in kin_of(model):
        if each not in _of_rows:
            pre_save.connect(_keep_what_was, sender=each)
            post_save.connect(_row_saved, sender=each)
            pre_delete.connect(_row_goes, sender=each)
        _of_rows.setdefault(each, []).append(dependency)


def kin_of(model: type[Model]) -> list[type[Model]]:
    """With its proxies and children: each sends signals in its own name alone."""
    concrete = model._meta.concrete_model or model
    return [each for each in apps.get_models(include_auto_created=True) if issubclass(each, concrete)]


def _keep_what_was(
    sender: type[Model],
    instance: Model,
    using: str,
    update_fields: Collection[str] | None,
    *,
    raw: bool,
    **_: Any,
) -> None:
    pk: Any = sender._meta.pk
    # As Django has it: such a row is inserted.
    is_new = instance.pk is None or (instance._state.adding and pk.has_default())
    if raw or is_new or not any(_counts(each, update_fields) for each in _of_rows.get(sender, ())):
        return
    # Not remembered when the row is loaded, which would cost every request something.
    before = sender._base_manager.using(using).filter(pk=instance.pk).first()
    instance.__dict__[_BEFORE] = before


def _row_saved(
    sender: type[Model],
    instance: Model,
    using: str,
    update_fields: Collection[str] | None,
    **_: Any,
) -> None:
    before: Model | None = instance.__dict__.pop(_BEFORE, None)

    def add(batch: Batch) -> None:
        for dependency in _of_rows.get(sender, ()):
            if before is None:
                if dependency.counts_new and _counts(dependency, update_fields):
                    dependency.add_to(batch, instance)
            elif _counts(dependency, update_fields) and _has_changed(dependency, before, instance):
                dependency.add_to(batch, before)
                dependency.add_to(batch, instance)

    note(using, add)


def _row_goes(sender: type[Model], instance: Model, using: str, **_: Any) -> None:
    """Before it has gone: what it refers to is still there to be read."""

    def add(batch: Batch) -> None:
        for dependency in _of_rows.get(sender, ()):
            dependency.add_to(batch, instance)

    note(using, add)


def _counts(dependency: Dependency, update_fields: Collection[str] | None) -> bool:
    return not dependency.fields or update_fields is None or not dependency.fields.isdisjoint(update_fields)


def _has_changed(dependency: Dependency, before: Model, after: Model) -> bool:
    return not dependency.fields or any(
        getattr(before, name, None) != getattr(after, name, None) for name in dependency.fields
    )
