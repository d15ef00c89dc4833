/**
 * Whether what npm says is installed (`node_modules/.package-lock.json`, which it writes last) is what
 * `package-lock.json` asks for. Optional packages may be absent: they are for other platforms.
 *
 * @typedef {{ version?: string, integrity?: string, dev?: boolean, optional?: boolean, devOptional?: boolean, link?: boolean }} LockedPackage
 * @typedef {{ packages?: Record<string, LockedPackage> }} Lockfile
 * @param {Lockfile} wanted
 * @param {Lockfile} installed
 * @param {{ withDevelopment: boolean }} options
 */
export const isInstalled = (wanted, installed, { withDevelopment }) =>
  Object.entries(wanted.packages ?? {}).every(([path, locked]) => {
    if (path === '' || locked.link === true) return true;
    if (locked.dev === true && !withDevelopment) return true;
    const present = installed.packages?.[path];
    if (present === undefined) {
      return locked.optional === true || (locked.devOptional === true && !withDevelopment);
    }
    return present.version === locked.version && present.integrity === locked.integrity;
  });
