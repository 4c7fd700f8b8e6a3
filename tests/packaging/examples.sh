#!/usr/bin/env bash
# The examples of deployment: behind nginx and Caddy, the configs for logs of nginx and PostgreSQL.
if [[ ${1:-} != apart ]]; then
    # The examples have ports of their own: the proxies run in a network where nothing else listens.
    exec unshare --net -- sh -c 'ip link set lo up && exec "$0" apart' "$0"
fi
. "$(dirname "$0")/lib.sh"

log=$work/app.log
seq -f 'order %.0f' 3 > "$log"
# No heartbeat and no other traffic that would push a line through a buffer.
"$binary" --base-path /sidetail --heartbeat 1h --listen 127.0.0.1:7878 "$log" > "$work/address" 2> "$work/said" &
at_end "kill $!"
eventually 'it listens' grep -q / "$work/address"

# through NAME HAD: what a proxy at port 80 must not spoil; so many orders are in the log.
through() {
    local name=$1 had=$2 reader id
    local all=$((had + 3))
    eventually "$name serves" curl -fsS http://localhost/sidetail/readyz
    curl -sSN 'http://localhost/sidetail/events?from=start' > "$work/came-$name" &
    reader=$!
    eventually "history comes through $name" grep -q "order $had\$" "$work/came-$name"
    seq -f 'order %.0f' $((had + 1)) $all >> "$log"
    eventually "a line comes through $name at once" grep -q "order $all\$" "$work/came-$name"
    expect_orders $all "$work/came-$name"
    kill "$reader"
    # The first id is that of hello.
    id=$(sed -n 's/^id: //p' "$work/came-$name" | sed -n $((all - 1))p)
    curl -sSN --max-time "$PATIENCE" --header "Last-Event-ID: $id" 'http://localhost/sidetail/events?limit=2' > "$work/again"
    expect "what comes after an id through $name" "order $((all - 1)) order $all" "$(sed -n 's/^data: \(order .*\)/\1/p' "$work/again" | xargs)"
    local page asset
    page=$(curl -fsS --header 'Accept: text/html' http://localhost/sidetail/)
    asset=$(grep -oE '(src|href)="[^"]+\.(js|css)(\?[^"]*)?"' <<< "$page" | head -n 1 | cut -d '"' -f 2)
    [[ -n $asset ]] || fail 'the page names no file of its own'
    curl -fsS "http://localhost/sidetail/${asset#/sidetail/}" >/dev/null || fail "the page's $asset does not come through $name"
}

cat > "$work/nginx.conf" <<END
daemon off; pid $work/nginx.pid; error_log stderr; user $(id -un);
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path $work/tmp; proxy_temp_path $work/tmp; fastcgi_temp_path $work/tmp; uwsgi_temp_path $work/tmp; scgi_temp_path $work/tmp;
    include $root/examples/behind-nginx/sidetail.conf;
}
END
nginx -p "$work" -c "$work/nginx.conf" 2> "$work/said-nginx" &
proxy=$!
at_end "kill $proxy"
through nginx 3
kill "$proxy" && wait "$proxy" || true

XDG_DATA_HOME=$work/caddy XDG_CONFIG_HOME=$work/caddy caddy run --config "$root/examples/behind-caddy/Caddyfile" --adapter caddyfile 2> "$work/said-caddy" &
at_end "kill $!"
through caddy 6

for config in "$root"/examples/*/sidetail.toml; do
    "$binary" check --config "$config" any=/no/such.log > "$work/said" 2>&1 || fail "$config is not valid"
done

# becomes EXAMPLE LOG LINE WANTED: what of a record with this line is to be so, as jq says it.
becomes() {
    local record
    record=$("$binary" test-rules --config "$root/examples/$1/sidetail.toml" --log-name "$2" <<< "$3")
    jq --exit-status "$4" <<< "$record" >/dev/null || fail "the example for $1 makes of $3 not what has $4, but $record"
}
request='203.0.113.9 - - [22/Nov/2026:21:35:51 +0000] "GET %s HTTP/1.1" %s 12 "-" "curl/8"\n'
becomes nginx nginx/access.log "$(printf "$request" /pay 502)" '.event == "failed" and (.line | startswith("203.0.113.x "))'
becomes nginx nginx/access.log "$(printf "$request" /pay 200)" '.event == null and .level == "info"'
becomes nginx nginx/access.log "$(printf "$request" /healthz 200)" '.dropped'
becomes nginx nginx/access.log "$(printf "$request" /healthz 500)" '.event == "failed"'
slow="2026-11-22 10:00:00.123 UTC [42] shop@shop LOG:  duration: 1234.567 ms  statement: SELECT 1
	 WHERE email = 'ann@example.com'"
becomes postgresql postgresql/postgresql-15-main.log "$slow" '.event == "slow" and .fields.ms == 1234.567 and (.line | endswith("email = \u0027***\u0027"))'
