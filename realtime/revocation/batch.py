"""The changes that are to be told together, with their number bounded. It tells nobody."""

from collections import Counter
from collections.abc import Collection, Iterable

from realtime.orders import RuleChange
from realtime.topics.name import TopicName

# More changes, or more rows, than that in one transaction, and whole namespaces are asked again instead.
MAX_CHANGES = 1000


class Batch:
    """The changes of one transaction, each once; so many that they say no more than their namespaces."""

    def __init__(self) -> None:
        self._changes: dict[RuleChange, None] = {}
        # None: all namespaces.
        self._whole: dict[str | None, None] = {}
        # How many rows said what, by who said it: to read what each refers to costs a query.
        self.rows: Counter[object] = Counter()

    def __bool__(self) -> bool:
        return bool(self._changes or self._whole)

    def has_all_of(self, namespaces: Collection[str] | None) -> bool:
        return None in self._whole or (namespaces is not None and self._whole.keys() >= set(namespaces))

    def add_all(
        self,
        *,
        users: Iterable[object] | None,
        namespaces: Collection[str] | None,
        topics: Iterable[str] | None,
    ) -> None:
        where: list[tuple[str | None, str | None]]
        if topics is not None:
            where = [(TopicName.parse(topic).namespace, topic) for topic in topics]
        else:
            where = [(namespace, None) for namespace in (namespaces if namespaces is not None else (None,))]
        for user in (None,) if users is None else users:
            for namespace, topic in where:
                # A row that names nobody concerns nobody.
                if user is not None or users is None:
                    name = None if user is None else str(user)
                    self.add(RuleChange(namespace=namespace, user=name, topic=topic))
            if None in self._whole:
                return

    def add(self, change: RuleChange) -> None:
        if self.has_all_of(None) or change.namespace in self._whole:
            return
        if change.user is None and change.topic is None:
            self._widen_to(change.namespace)
            return
        self._changes[change] = None
        if len(self._changes) > MAX_CHANGES:
            # The one that most are of: the others may have many sessions that need not be asked.
            [(namespace, _)] = Counter(each.namespace for each in self._changes).most_common(1)
            self._widen_to(namespace)

    def _widen_to(self, namespace: str | None) -> None:
        self._whole[namespace] = None
        self._changes = {
            each: None for each in self._changes if namespace is not None and each.namespace != namespace
        }

    def take(self) -> list[RuleChange]:
        whole = [None] if None in self._whole else list(self._whole)
        changes = [*(RuleChange(namespace=namespace) for namespace in whole), *self._changes]
        self._whole, self._changes = {}, {}
        self.rows.clear()
        return changes
