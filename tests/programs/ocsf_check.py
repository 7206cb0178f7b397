"""Checks events of the Open Cybersecurity Schema Framework against the compiled schema that pydantic-ocsf brings.

    ocsf_check.py FILE…    one event a line; says what is wrong and how many events it read; exit 1 when something is

Strict: every attribute is one of its object, of the right type, or below `unmapped`; what is required is there; an
enumerated id is one of those, and its caption beside it says the same; of constraints at least one, or just one, is set.
"""
import importlib.util
import json
import os
import re
import sys

# Of the package only the schema is read.
SCHEMA = os.path.join(importlib.util.find_spec("ocsf").submodule_search_locations[0], "schemas")
# The compiled schema names profiles and leaves out what they add.
OF_PROFILES = {"container": ("container", "namespace_pid")}
FINDINGS, DATA_SECURITY_FINDING = 2, 6
INTEGERS, NUMBERS = ("integer_t", "long_t", "timestamp_t", "port_t"), ("float_t",)


class Schema:
    def __init__(self, version):
        with open(os.path.join(SCHEMA, f"v{version.replace('.', '_')}.json")) as file:
            schema = json.load(file)
        self.events, self.objects = schema["events"], schema["objects"]
        self.dictionary = schema["dictionary"]["attributes"]
        self.types = schema["dictionary"]["types"]["attributes"]

    def attributes(self, table, name, profiles):
        """Own and inherited attributes, and the constraints."""
        found, constraints = {}, {}
        while name:
            entry = table[name]
            for attribute, about in entry.get("attributes", {}).items():
                if attribute == "$include":
                    for profile in profiles:
                        if f"profiles/{profile}.json" in about:
                            found.update({more: {} for more in OF_PROFILES[profile]})
                else:
                    known = found.setdefault(attribute, {})
                    merged = {**about.get("enum", {}), **known.get("enum", {})}
                    found[attribute] = {**about, **known, **({"enum": merged} if merged else {})}
            constraints = {**entry.get("constraints", {}), **constraints}
            name = entry.get("extends")
        return found, constraints


class Check:
    def __init__(self, schema, profiles):
        self.schema, self.profiles, self.wrong = schema, profiles, []

    def object(self, place, value, table, name):
        if not isinstance(value, dict):
            return self.wrong.append(f"{place}: is no object")
        attributes, constraints = self.schema.attributes(table, name, self.profiles)
        for attribute, about in attributes.items():
            profile = about.get("profile")
            if about.get("requirement") == "required" and attribute not in value and (not profile or profile in self.profiles):
                self.wrong.append(f"{place}.{attribute}: is required and missing")
        for kind, names in constraints.items():
            count = sum(name in value for name in names)
            if count == 0 or (kind == "just_one" and count > 1):
                self.wrong.append(f"{place}: {count} of {names}, {kind}")
        for attribute, inner in value.items():
            here = f"{place}.{attribute}"
            about = attributes.get(attribute)
            if about is None or (about.get("profile") and about["profile"] not in self.profiles):
                self.wrong.append(f"{here}: is no attribute of {name}")
            elif "@deprecated" in about or "@deprecated" in self.schema.dictionary[attribute]:
                self.wrong.append(f"{here}: is deprecated")
            else:
                self.attribute(here, inner, {**self.schema.dictionary[attribute], **about}, value)

    def attribute(self, place, value, about, beside):
        dictionary = self.schema.dictionary[place.rsplit(".", 1)[1]]
        if not dictionary.get("is_array"):
            return self.one(place, value, about, dictionary, beside)
        if not isinstance(value, list):
            return self.wrong.append(f"{place}: is no list")
        for number, inner in enumerate(value):
            self.one(f"{place}[{number}]", inner, about, dictionary, beside)

    def one(self, place, value, about, dictionary, beside):
        kind = dictionary["type"]
        if kind in self.schema.objects:
            # `unmapped` is the generic object: anything may be below it.
            return None if kind == "object" else self.object(place, value, self.schema.objects, kind)
        self.type(place, value, kind)
        known = {**dictionary.get("enum", {}), **about.get("enum", {})}
        if known:
            self.enumerated(place, value, known, beside, about.get("sibling") or dictionary.get("sibling"))

    def type(self, place, value, kind):
        about = self.schema.types.get(kind, {})
        base = about.get("type", kind)
        if base in INTEGERS or kind in INTEGERS:
            good = isinstance(value, int) and not isinstance(value, bool)
        elif base in NUMBERS:
            good = isinstance(value, (int, float)) and not isinstance(value, bool)
        elif base == "boolean_t":
            good = isinstance(value, bool)
        elif base == "json_t":
            good = True
        else:
            good = isinstance(value, str)
            good = good and len(value) <= about.get("max_len", len(value))
            good = good and ("regex" not in about or re.search(about["regex"], value) is not None)
        if good and "range" in about:
            good = about["range"][0] <= value <= about["range"][1]
        if not good:
            self.wrong.append(f"{place}: is no {kind}")

    def enumerated(self, place, value, known, beside, sibling):
        caption = known.get(str(value), {}).get("caption")
        if caption is None:
            self.wrong.append(f"{place}: {value} is none of {sorted(known)}")
        elif "@deprecated" in known[str(value)]:
            self.wrong.append(f"{place}: {value} is deprecated")
        # What is "Other" is said in the source's own words.
        elif sibling in beside and value != 99 and beside[sibling] != caption:
            self.wrong.append(f"{place}: {value} is called {caption}, not {beside[sibling]}")


def check(event):
    check = Check(Schema(event["metadata"]["version"]), event["metadata"].get("profiles", []))
    own = dict(event)
    # They are made of each other; the schema has no list of them.
    made = {name: own.pop(name) for name in ("category_uid", "class_uid", "type_uid", "category_name", "class_name", "type_name")}
    activity = f"Data Security Finding: {event['activity_name']}"
    class_uid = FINDINGS * 1000 + DATA_SECURITY_FINDING
    if list(made.values()) != [FINDINGS, class_uid, class_uid * 100 + event["activity_id"], "Findings", "Data Security Finding", activity]:
        check.wrong.append(f"class and type are {made}")
    check.object("event", own, check.schema.events, "data_security_finding")
    return [wrong for wrong in check.wrong if wrong.split(":")[0].split(".")[1:] not in [[name] for name in made]]


def main():
    events, bad = 0, 0
    for path in sys.argv[1:]:
        with open(path) as file:
            for line in file:
                events += 1
                wrong = check(json.loads(line))
                bad += bool(wrong)
                for what in wrong:
                    print(f"event {events}: {what}")
    print(f"{events} events, {bad} wrong")
    sys.exit(1 if bad or not events else 0)


main()
