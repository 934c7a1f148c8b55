/** A self-signed certificate for localhost, made on the spot. */
import { execFileSync } from "node:child_process";

export function selfSigned(): { readonly key: string; readonly cert: string } {
  const options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost";
  const args = [...options.split(" "), "-keyout", "-", "-out", "-"];
  const pem = execFileSync("openssl", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  const block = (label: string) => {
    const found = new RegExp(`-----BEGIN ${label}-----[^-]+-----END ${label}-----\n`).exec(pem);
    if (found === null) throw new Error(`openssl made no ${label}`);
    return found[0];
  };
  return { key: block("PRIVATE KEY"), cert: block("CERTIFICATE") };
}
