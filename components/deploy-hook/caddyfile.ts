/** The configuration of the proxy before the hook (Caddy 2.6): TLS, bounds of size and time, one way in. Pure. */
import { HOOK_ID, HOOK_LISTEN, proxyAddress } from "../../fleet/deploy-hook.ts";
import type { DeployHookSettings } from "../../fleet/model.ts";
import { HEALTH_ID, SIGNING } from "./hooks.ts";

/** Names of the unit's credentials that are the certificate and its key. */
export const CERTIFICATE = { certificate: "tls.crt", key: "tls.key" } as const;

/**
 * A delivery is passed on whole, once it is here: a slow sender holds a connection to the proxy and none to the hook. Its
 * size is known beforehand and has at most six digits, which is several times what forges send for a push.
 */
export function caddyfile(hook: DeployHookSettings): string {
  const { signature } = SIGNING[hook.forge.kind];
  const tls =
    hook.tls === undefined
      ? "bind 127.0.0.1"
      : hook.tls === "acme"
        ? "# Certificates are got and renewed by ACME."
        : `tls {$CREDENTIALS_DIRECTORY}/${CERTIFICATE.certificate} {$CREDENTIALS_DIRECTORY}/${CERTIFICATE.key}`;
  return `{
	admin off
	servers {
		protocols h1 h2
		max_header_size 16384
		timeouts {
			read_header 5s
			read_body 10s
			write 30s
			idle 30s
		}
	}
}

${proxyAddress(hook).join(", ")} {
	${tls}
	# One line a request, without headers.
	log {
		output stdout
		format filter {
			wrap json
			fields {
				request>headers delete
				request>tls delete
				resp_headers delete
			}
		}
	}

	# The address as it was sent, to the letter: nothing is decoded, cleaned or cut off before it is compared.
	@hook expression {http.request.uri} == "/hooks/${HOOK_ID}"
	@sized expression {http.request.header.Content-Length}.matches("^[0-9]{1,6}$")
	@health expression {http.request.uri} == "/health" && {http.request.method} == "GET"

	handle @hook {
		handle @sized {
			reverse_proxy ${HOOK_LISTEN} {
				# Two headers of this name become one with a comma in it, which is no signature.
				header_up ${signature} {http.request.header.${signature}}
				buffer_requests
				# While the hook is restarted.
				lb_try_duration 10s
				lb_try_interval 100ms
				transport http {
					max_conns_per_host 16
					response_header_timeout 20s
				}
				# The hook has no other code for a script that ends with 1.
				@refused status 500
				handle_response @refused {
					respond "refused; the journal of this host says why" 409
				}
			}
		}
		handle {
			respond "too large, or of unknown size" 413
		}
	}
	# Asks the hook, which answers only with its hooks loaded.
	handle @health {
		rewrite * /hooks/${HEALTH_ID}
		reverse_proxy ${HOOK_LISTEN} {
			@well status 200
			handle_response @well {
				respond "ok" 200
			}
		}
	}
	handle {
		respond 404
	}
}
`;
}
