"""Watches a many-to-many relation, whose rows send no signals of their own."""

from collections.abc import Collection
from typing import Any

from django.db.models import Model
from django.db.models.signals import m2m_changed, pre_delete

from realtime.revocation.commit import note_all
from realtime.revocation.dependency import Dependency
from realtime.revocation.rows import kin_of


def watch_relation(
    through: type[Model], dependency: Dependency, ends: tuple[type[Model], ...] | None = None
) -> None:
    """What is added, removed and cleared, and what goes with one of its `ends`; None: with either."""
    names = _names_of_ends(through)

    def related(
        instance: Model,
        action: str,
        pk_set: Collection[Any] | None,
        using: str,
        *,
        reverse: bool,
        **_: Any,
    ) -> None:
        own, other = reversed(names) if reverse else names
        if action in ("post_add", "post_remove") and pk_set:
            rows = [_unsaved(through, using, **{own: instance.pk, other: pk}) for pk in pk_set]
            note_all(using, dependency, rows)
        elif action == "pre_clear":
            _note_rows_of(own, instance, using)

    def end_goes(instance: Model, using: str, **_: Any) -> None:
        for name, end in zip(names, _ends_of(through, names), strict=True):
            if isinstance(instance, end):
                _note_rows_of(name, instance, using)

    def _note_rows_of(name: str, instance: Model, using: str) -> None:
        rows = through._base_manager.using(using).filter(**{name: instance.pk})
        note_all(using, dependency, rows.iterator())

    m2m_changed.connect(related, sender=through, weak=False)
    for end in {*_ends_of(through, names)}:
        for each in kin_of(end) if ends is None or end in ends else ():
            pre_delete.connect(end_goes, sender=each, weak=False)


def _names_of_ends(through: type[Model]) -> tuple[str, str]:
    """The attributes with the keys: of the model that declares the relation, and of the other."""
    declaring: Any = through._meta.auto_created
    for field in declaring._meta.local_many_to_many:
        if field.remote_field.through is through:
            get: Any = through._meta.get_field
            return get(field.m2m_field_name()).attname, get(field.m2m_reverse_field_name()).attname
    raise LookupError(f"{through.__name__} belongs to no many-to-many field")


def _ends_of(through: type[Model], names: tuple[str, str]) -> list[type[Model]]:
    by_attribute = {getattr(field, "attname", ""): field for field in through._meta.get_fields()}
    ends: list[Any] = [by_attribute[name].related_model for name in names]
    return ends


def _unsaved(through: type[Model], using: str, **keys: object) -> Model:
    row = through(**keys)
    row._state.db = using  # Where its related rows are looked up.
    return row
