#!/usr/bin/env python3
"""Writes into bindings/python/shmutex/__init__.pyi what help() says, so that editors show it, too.

    PYTHONPATH=build/release/bindings/python/cpython-311 scripts/stub_docs.py

The texts stand in the C sources and in _support.py; tests/python/test_documentation.py sees that the stub has the same.
"""

import ast
import inspect
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "bindings/python/shmutex"


def field_texts():
    """{(class, field): text} of the named tuples: a string after the field, which Python itself forgets."""
    texts = {}
    for node in ast.parse((SOURCE / "_support.py").read_text()).body:
        if isinstance(node, ast.ClassDef):
            for field, text in zip(node.body, node.body[1:]):
                if isinstance(field, ast.AnnAssign) and is_text(text):
                    texts[node.name, field.target.id] = inspect.cleandoc(text.value.value)
    return texts


def is_text(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def own_doc(module, class_name, name):
    """What the object itself says; not what it inherits, nor what every object says of __init__."""
    if name == "__init__":
        return None
    owner = vars(getattr(module, class_name)) if class_name else vars(module)
    doc = getattr(owner.get(name), "__doc__", None)
    return inspect.cleandoc(doc) if doc else None


def quoted(text, column):
    lines = [" " * column + line if line else "" for line in text.splitlines()]
    raw = "r" if "\\" in text else ""
    return raw + '"""' + "\n".join(lines).lstrip() + ("\n" + " " * column if len(lines) > 1 else "") + '"""'


class Edits:
    def __init__(self, stub):
        self.lines = stub.splitlines(keepends=True)
        self.edits = []  # (first character, last character + 1, new text)

    def position(self, line, column):
        return sum(map(len, self.lines[: line - 1])) + column

    def document(self, node, text):
        """As the first statement in the body of a class or function."""
        first = node.body[0]
        column = node.col_offset + 4
        begin = self.position(first.lineno, first.col_offset)
        end = self.position(first.end_lineno, first.end_col_offset)
        if is_text(first):
            self.edits.append((begin, end, quoted(text, column)))
        elif isinstance(first.value if isinstance(first, ast.Expr) else None, ast.Constant):  # ...
            before = "".join(self.lines)[:begin].rstrip()
            self.edits.append((len(before), end, "\n" + " " * column + quoted(text, column)))
        else:
            begin = self.position(first.lineno, 0)
            self.edits.append((begin, begin, " " * column + quoted(text, column) + "\n"))

    def introduce(self, first, text):
        """As the first statement of the stub."""
        end = self.position(first.end_lineno, first.end_col_offset) if is_text(first) else 0
        self.edits.append((0, end, quoted(text, 0) + ("" if end else "\n\n")))

    def describe(self, field, following, text):
        """As the string after a field."""
        begin = self.position(field.end_lineno, field.end_col_offset)
        end = begin
        if following is not None and is_text(following):
            end = self.position(following.end_lineno, following.end_col_offset)
        self.edits.append((begin, end, "\n" + " " * field.col_offset + quoted(text, field.col_offset)))

    def result(self):
        stub = "".join(self.lines)
        for begin, end, text in sorted(self.edits, reverse=True):
            stub = stub[:begin] + text + stub[end:]
        return stub


def documented(stub, module):
    """The stub with every text that the module has."""
    edits = Edits(stub)
    fields = field_texts()
    body = ast.parse(stub).body
    edits.introduce(body[0], inspect.cleandoc(module.__doc__))
    for node in body:
        if not isinstance(node, (ast.ClassDef, ast.FunctionDef)) or not hasattr(module, node.name):
            continue
        doc = own_doc(module, None, node.name)
        if doc:
            edits.document(node, doc)
        for each, following in zip(getattr(node, "body", []), [*node.body[1:], None]):
            if isinstance(each, ast.FunctionDef) and isinstance(node, ast.ClassDef):
                doc = own_doc(module, node.name, each.name)
                if doc:
                    edits.document(each, doc)
            elif isinstance(each, ast.AnnAssign) and (node.name, each.target.id) in fields:
                edits.describe(each, following, fields[node.name, each.target.id])
    return edits.result()


def main():
    import shmutex

    path = SOURCE / "__init__.pyi"
    before = path.read_text()
    after = documented(before, shmutex)
    path.write_text(after)
    print(f"{path}: {'as it was' if after == before else 'written'}")


if __name__ == "__main__":
    sys.exit(main())
