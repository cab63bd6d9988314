#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# check-abi.sh [HEADER [OLD_LOCK]]: judges the plugin ABI's header; exit 1 and one line per fault.
# HEADER: another copy of hostd_plugin.h. OLD_LOCK: the hostd_plugin.c of an earlier release (default: of the last tag v*).
set -u
cd "$(dirname "$0")/.." || exit 1
header=${1:-Sources/PluginABI/include/hostd_plugin.h}
lock=Sources/PluginABI/hostd_plugin.c
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0

# Every compiler that authors use, as strict as it goes. -Wpadded: a field added into padding would look present.
strict="-pedantic -Wall -Wextra -Wconversion -Wpadded -Werror -fsyntax-only -I $(dirname "$header")"
for compiler in "cc -std=c99" "clang -std=c99" "clang -std=c99 --target=aarch64-linux-gnu -ffreestanding" \
    "g++ -x c++ -std=c++11" "clang++ -x c++ -std=c++11"; do
    # shellcheck disable=SC2086
    $compiler $strict "$lock" || { echo "$header: refused by $compiler"; failed=1; }
done

# What a release has shipped is never edited: its own lines must hold for today's header.
old=${2:-}
if [ -z "$old" ] && tag=$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null); then
    old=$work/released.c
    git show "$tag:$lock" >"$old" 2>/dev/null || old=
fi
if [ -n "$old" ]; then
    grep -Ev '^(SIZE|VALUE\(HOSTD_BUILT_MINOR)' "$old" >"$work/old.c"
    # shellcheck disable=SC2086
    cc -std=c99 $strict "$work/old.c" || { echo "$header: differs from what was released"; failed=1; }
fi

clang -x c -std=c99 -Xclang -ast-dump=json -fsyntax-only "$header" >"$work/ast.json" || exit 1
python3 - "$header" "$lock" "$work/ast.json" <<'PYTHON' || failed=1
import json, re, sys

path, lock_path, ast_path = sys.argv[1:]
text, lock = open(path).read(), open(lock_path).read()
nodes = [n for n in json.load(open(ast_path))["inner"] if n.get("name", "").startswith("hostd_")]
faults = []

# The only words that a type may be made of: fixed in size for every compiler, language and flag.
words = {"void", "char", "const", "struct", "size_t", "uint16_t", "uint32_t", "uint64_t", "int32_t", "int64_t"}

def judge(where, type_):
    if "..." in type_:
        faults.append(f"{where}: varargs: not every language can supply them")
    for word in re.findall(r"[A-Za-z_]\w*", type_):
        if word in words or word.startswith("hostd_") or (word == "double" and where == "hostd_metrics.record"):
            continue
        faults.append(f"{where}: found {word} in its type, wanted fixed-width integers, double only in metrics")

for node in nodes:
    name, fields = node["name"], [f for f in node.get("inner", []) if f["kind"] == "FieldDecl"]
    if node["kind"] == "TypedefDecl":
        judge(name, node["type"]["qualType"])
    elif node["kind"] == "EnumDecl":
        faults.append(f"{name}: an enum: its size is not fixed")
    elif node["kind"] == "RecordDecl" and fields:
        mark = re.search(rf"struct {name}\s*\{{.*/\* \((sized|frozen)\)", text)
        if not mark:
            faults.append(f"{name}: found no mark, wanted (sized) or (frozen)")
        elif mark[1] == "sized" and (fields[0]["name"], fields[0]["type"]["qualType"]) != ("struct_size", "uint32_t"):
            faults.append(f"{name}: found {fields[0]['name']} first, wanted uint32_t struct_size")
        if f"SIZE({name}," not in lock:
            faults.append(f"{lock_path}: no SIZE line for {name}")
        for field in fields:
            judge(f"{name}.{field['name']}", field["type"]["qualType"])
            if field.get("isBitfield"):
                faults.append(f"{name}.{field['name']}: a bit field")
            if f"AT({name}, {field['name']}," not in lock:
                faults.append(f"{lock_path}: no AT line for {name}.{field['name']}")

for macro in set(re.findall(r"^#define (HOSTD_[A-Z0-9_]+)[ \t]+[(\"0-9]", text, re.M)) - {"HOSTD_NEED_MINOR"}:
    if f"VALUE({macro}," not in lock and f"TEXT({macro}," not in lock:
        faults.append(f"{lock_path}: no line for {macro}")

# Each function says on which thread it is called, in the comment right above it.
for function in re.finditer(r"\(\*(\w+)\)\(", text):
    before = text[:function.start()]
    comment = before[before.rfind("/*"):]
    if ";" in comment[comment.find("*/"):] or not re.match(r"/\* \[(serial|any|pool)\]", comment):
        faults.append(f"{path}:{before.count(chr(10)) + 1}: {function[1]}: no [serial], [any] or [pool] above it")

for fault in sorted(faults):
    print(fault)
sys.exit(1 if faults else 0)
PYTHON
exit $failed
