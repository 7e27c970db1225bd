import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { runAsRoot } from "./as-root.ts";

const ROOT = join(import.meta.dirname, "../../..");
const DOCKERFILE = "worker/Dockerfile";
const STAND_IN = "localhost/postern-stand-in";
const IMAGE = "localhost/postern-worker";

/** The image as a container's runtime takes it. */
export interface WorkerImage {
  /** Its files, unpacked. */
  readonly rootfs: string;
  readonly config: z.output<typeof configSchema>;
  /** Removes everything that the build left. */
  remove(): Promise<void>;
}

const configSchema = z.object({
  Env: z.array(z.string()),
  Entrypoint: z.array(z.string()),
  Cmd: z.array(z.string()),
  WorkingDir: z.string(),
  Volumes: z.record(z.string(), z.unknown()).default({}),
});
const inspectedSchema = z.object({ Docker: z.object({ config: configSchema }) });

/**
 * Builds worker/Dockerfile itself, without a Docker daemon and without a registry of images. Debian with the
 * running Node and npm stands in for the Dockerfile's base, which is on such a registry (docs/adr/0014).
 */
export async function buildWorkerImage(): Promise<WorkerImage> {
  const directory = mkdtempSync(join(tmpdir(), "postern-image-"));
  const remove = async (): Promise<void> => void (await runAsRoot("rm", "-rf", directory));
  try {
    await makeStandIn(directory);
    await buildOn(STAND_IN, directory);
    const container = await buildah(directory, "from", "--pull-never", IMAGE);
    const rootfs = await buildah(directory, "mount", container);
    const inspected: unknown = JSON.parse(await buildah(directory, "inspect", "--type", "image", IMAGE));
    return { rootfs, config: inspectedSchema.parse(inspected).Docker.config, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Its own storage, so that nothing of it is left and no other image is in the way. */
const buildah = (directory: string, ...args: readonly string[]): Promise<string> =>
  runAsRoot(
    "env",
    `TMPDIR=${directory}`,
    "buildah",
    `--root=${join(directory, "storage")}`,
    `--runroot=${join(directory, "run")}`,
    // Needs neither a kernel module nor a mount.
    "--storage-driver=vfs",
    ...args,
  );

/** In a mount namespace, so that what debootstrap mounts is gone with it, however it ends. */
const STAND_IN_SCRIPT = `
set -eu
root=$1 node=$2 npm=$3
unshare --mount --propagation private \
  mmdebstrap --quiet --mode=root --variant=apt --include=ca-certificates --format=directory bookworm "$root"
install -D "$node" "$root/usr/local/bin/node"
mkdir -p "$root/usr/local/lib/node_modules"
cp -R "$npm" "$root/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
echo node:x:1000: >>"$root/etc/group"
echo node:x:1000:1000::/home/node:/bin/bash >>"$root/etc/passwd"
`;

async function makeStandIn(directory: string): Promise<void> {
  const rootfs = join(directory, "stand-in");
  const npm = dirname(dirname(realpathSync(await output("sh", "-c", "command -v npm"))));
  await runAsRoot("bash", "-c", STAND_IN_SCRIPT, "stand-in", rootfs, process.execPath, npm);
  const container = await buildah(directory, "from", "scratch");
  await buildah(directory, "copy", "--quiet", container, rootfs, "/");
  await runAsRoot("rm", "-rf", rootfs);
  const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  await buildah(directory, "config", "--env", `PATH=${path}`, container);
  await buildah(directory, "commit", "--quiet", "--rm", container, STAND_IN);
}

async function buildOn(standIn: string, directory: string): Promise<void> {
  const dockerfile = readFileSync(join(ROOT, DOCKERFILE), "utf8");
  const bases = new Set(dockerfile.match(/(?<=^FROM .*)\S+@sha256:[0-9a-f]{64}/gmu));
  await buildah(
    directory,
    "bud",
    "--quiet",
    "--isolation=chroot",
    "--pull-never",
    "--format=docker",
    ...[...bases].flatMap((base) => ["--build-context", `${base}=container-image://${standIn}`]),
    ...(await npmVolumes(directory)),
    `--tag=${IMAGE}`,
    `--file=${join(ROOT, DOCKERFILE)}`,
    ROOT,
  );
}

/**
 * What this machine's npm knows of its registry, and what it has downloaded already; nothing of it is in the
 * image.
 */
async function npmVolumes(directory: string): Promise<readonly string[]> {
  const setting = (name: string): Promise<string> => output("npm", "config", "get", name);
  const [cache, userConfig, registry] = await Promise.all([
    setting("cache"),
    setting("userconfig"),
    setting("registry"),
  ]);
  const lines = [existsSync(userConfig) ? readFileSync(userConfig, "utf8") : "", `registry=${registry}`];
  const volumes: string[] = [];
  const authorities = process.env["NODE_EXTRA_CA_CERTS"];
  if (authorities) {
    lines.push("cafile=/root/.npm-authorities.pem");
    volumes.push(`${realpathSync(authorities)}:/root/.npm-authorities.pem:ro`);
  }
  const npmrc = join(directory, "npmrc");
  writeFileSync(npmrc, `${lines.join("\n")}\n`, { mode: 0o600 });
  volumes.push(`${npmrc}:/root/.npmrc:ro`);
  // Root's files in another user's cache would be in that user's way.
  if (process.getuid?.() === 0 && existsSync(cache)) volumes.push(`${cache}:/root/.npm:rw`);
  return volumes.flatMap((volume) => ["--volume", volume]);
}

async function output(program: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, [...args], { cwd: ROOT, encoding: "utf8" });
  return stdout.trim();
}
