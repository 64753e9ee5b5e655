"""The distribution's whole policy linked with modules of ours, without SELinux in the running kernel; and what it allows, as a table."""
import collections
import hashlib
import pathlib
import shutil
import subprocess

import setools

NAME = "default"
MODULES = pathlib.Path("/usr/share/selinux") / NAME
SUBSTITUTIONS = pathlib.Path("/etc/selinux") / NAME / "contexts/files/file_contexts.subs_dist"


def install(store, files):
    """Add modules to the policy below the directory `store`, and link it."""
    arguments = [argument for file in files for argument in ("-i", str(file))]
    done = subprocess.run(["semodule", "-p", str(store), "-N", "-s", NAME, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"semodule failed:\n{done.stderr}")


def distribution(cache):
    """The distribution's policy alone, linked; made once (about a minute) for each version of it."""
    files = sorted(MODULES.glob("*.pp.bz2"))
    seed = "".join(f"{file} {file.stat().st_size} {file.stat().st_mtime_ns}\n" for file in files)
    store = cache / ("distribution-" + hashlib.sha256(seed.encode()).hexdigest()[:16])
    if store.exists():
        return store
    shutil.rmtree(cache, ignore_errors=True)
    unfinished = cache / "unfinished"
    (unfinished / "etc/selinux" / NAME / "contexts/files").mkdir(parents=True)
    (unfinished / "var/lib/selinux").mkdir(parents=True)
    install(unfinished, files)
    shutil.copy(SUBSTITUTIONS, file_contexts(unfinished).parent)
    unfinished.rename(store)
    return store


def linked(base, store, files):
    """A copy of the linked policy `base` as `store`, with further modules."""
    shutil.copytree(base, store, symlinks=True)
    install(store, files)
    return store


def file_contexts(store):
    return store / "etc/selinux" / NAME / "contexts/files/file_contexts"


class Policy:
    """Who may do what: `always[source, target, class]` and, with the rules that a boolean switches, `ever[…]` are sets of permissions. Only
    rules are kept that have one of the types `ours` on one side."""

    def __init__(self, store, ours):
        [path] = (store / "etc/selinux" / NAME / "policy").iterdir()
        self.policy = setools.SELinuxPolicy(str(path))
        self.types = {str(type_) for type_ in self.policy.types()}
        self.attributes = {str(attribute): {str(type_) for type_ in attribute.expand()} for attribute in self.policy.typeattributes()}
        self.classes = {str(class_): self.permissions_of(class_) for class_ in self.policy.classes()}
        self.always, self.ever = collections.defaultdict(set), collections.defaultdict(set)
        self.transitions = {}
        ours = set(ours)
        for rule in self.policy.terules():
            if rule.ruletype == setools.TERuletype.allow:
                self.add(rule, ours)
            elif rule.ruletype == setools.TERuletype.type_transition:
                self.add_transition(rule, ours)

    @staticmethod
    def permissions_of(class_):
        try:
            return set(class_.perms) | set(class_.common.perms)
        except setools.exception.NoCommon:
            return set(class_.perms)

    def members(self, symbol):
        return self.attributes.get(str(symbol)) or {str(symbol)}

    def add(self, rule, ours):
        sources, targets = self.members(rule.source), self.members(rule.target)
        if not (sources & ours or targets & ours):
            return
        try:
            conditional = rule.conditional is not None
        except setools.exception.RuleNotConditional:
            conditional = False
        pairs = {(source, target) for source in sources & ours for target in targets}
        pairs |= {(source, target) for source in sources for target in targets & ours}
        for source, target in pairs:
            self.ever[source, target, str(rule.tclass)] |= rule.perms
            if not conditional:
                self.always[source, target, str(rule.tclass)] |= rule.perms

    def add_transition(self, rule, ours):
        if not (self.members(rule.source) & ours or self.members(rule.target) & ours):
            return
        for source in self.members(rule.source):
            for target in self.members(rule.target):
                self.transitions[source, target, str(rule.tclass)] = str(rule.default)
