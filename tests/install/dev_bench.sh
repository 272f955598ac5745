#!/bin/bash
# `./dev bench` leaves the tree as it is; --publish writes docs/bench/. The measuring programs are replaced: each writes
# one file.
. "$HERE/common.sh"
mkdir -p tree/bench/python tree/bench/lua tree/docs/bench bin
cp "$SOURCE/dev" tree/
cp -r "$SOURCE"/scripts tree/
printf '#!/bin/sh\necho "install ok installed"\n' > bin/dpkg-query
printf '#!/bin/sh\nexit 0\n' > bin/cmake
cat > tree/bench/run.py <<'END'
#!/usr/bin/python3
import pathlib, sys
out = sys.argv[sys.argv.index("--out") + 1]
pathlib.Path(out, "results.md").write_text(" ".join(sys.argv[1:]))
END
cat > tree/bench/python/bench.py <<'END'
import pathlib, sys
out = sys.argv[sys.argv.index("--output") + 1]
pathlib.Path(out, "python.md").write_text(" ".join(sys.argv[1:]))
END
printf '#!/bin/sh\necho "$@" > "$2"\n' > tree/bench/lua/run.sh
chmod +x bin/* tree/bench/run.py tree/bench/lua/run.sh

listing() { (cd tree && find . -path ./build -prune -o -print | sort); }
reports() { (cd "tree/$1" && echo *); }
before=$(listing)
PATH=$scratch/bin:$PATH tree/dev bench --quick --only contended > log || fail "$(cat log)"
[ "$(listing)" = "$before" ] || fail "looking changed the tree: $(listing)"
[ "$(reports build/bench)" = "lua.md python.md results.md" ] || fail "in build/bench: $(reports build/bench)"
grep -qx 'build/release --out build/bench --quick --only contended' tree/build/bench/results.md || fail "$(cat tree/build/bench/results.md)"
rm -r tree/build
PATH=$scratch/bin:$PATH tree/dev bench --publish > log || fail "$(cat log)"
[ "$(reports docs/bench)" = "lua.md python.md results.md" ] || fail "in docs/bench: $(reports docs/bench)"
[ ! -e tree/build/bench ] || fail "publishing wrote build/bench, too"
