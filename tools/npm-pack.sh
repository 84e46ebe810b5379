#!/bin/sh
# Packs what would be published: the package, and the native addon of this machine as a package of its own. Then installs both
# into an empty project and uses them as people do: `import`, `require`, and TypeScript at its strictest.
set -eu
root=$(pwd)
limit=6000000

tools/addon.sh release
tools/npm-layout.sh
big=''
mkdir -p dist/npm/packed
for folder in dist/npm/core dist/npm/platforms/*/; do
    # The platforms that were not built here have no addon yet; the release's workflow brings them.
    case $folder in
        dist/npm/core) ;;
        *) ls "$folder"*.node >/dev/null 2>&1 || continue ;;
    esac
    npm pack "$folder" --silent --pack-destination dist/npm/packed
done
for file in dist/npm/platforms/*/*.node dist/npm/packed/*.tgz; do
    size=$(wc -c <"$file" | tr -d ' ')
    echo "$file: $size bytes"
    [ "$size" -le "$limit" ] || big="$big
$file is bigger than $limit bytes"
done

project=$(mktemp -d)
trap 'rm -rf "$project"' EXIT
cp examples/hello/hello.mjs "$project/hello.mjs"
cp examples/hello/hello.mjs "$project/typed.mts"
cat >"$project/hello.cjs" <<'PROGRAM'
const { connect } = require('@stargazer/core');
(async () => {
  const bus = await connect('memory://demo');
  await bus.publish('numbers', { n: 2n ** 53n });
  for await (const delivery of bus.consume('numbers', 'readers')) {
    console.log(delivery.data);
    await delivery.ack();
    break;
  }
  await bus.close();
  // One class, whichever way it came.
  const { connect: imported } = await import('@stargazer/core');
  if (imported !== connect) throw new Error('import and require have two copies');
})();
PROGRAM
cd "$project"
echo '{ "private": true }' >package.json
# The addons of other platforms are not published yet: nothing but these files may be taken for them.
npm install --silent --no-audit --no-fund --omit=optional "$root"/dist/npm/packed/*.tgz "@types/node@20" >/dev/null
[ "$(node hello.mjs)" = 'Berlin? 21 °C' ] || { echo 'hello.mjs does not work where it is installed' >&2; exit 1; }
echo 'import: works'
node hello.cjs
echo 'require: works'
"$root/node_modules/.bin/tsc" --strict --noUncheckedIndexedAccess --exactOptionalPropertyTypes \
    --module nodenext --target es2022 --types node --noEmit typed.mts
echo 'TypeScript: works'
[ -z "$big" ] || { echo "too big:$big" >&2; exit 1; }
