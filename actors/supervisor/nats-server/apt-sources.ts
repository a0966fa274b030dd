/** Which package mirror a Debian or Ubuntu system uses, read from its own apt sources. Pure. */

export interface Mirror {
  uri: string;
  /** Keyring that signs it, when the sources name one by path. */
  signedBy?: string;
}

interface Entry extends Mirror {
  suites: string[];
  components: string[];
}

/**
 * The mirror from which the system takes its own release.
 * @param sources contents of sources.list and of the files in sources.list.d (both formats)
 * @param codename VERSION_CODENAME of the system: 'bookworm', 'noble'
 */
export function findMirror(sources: string[], codename: string): Mirror | null {
  const entries = sources.flatMap((text) => [...oneLineEntries(text), ...stanzaEntries(text)]);
  const own = entries.find(
    ({ uri, suites, components }) =>
      /^(https?|mirror|mirror\+\w+|ftp):/.test(uri) &&
      suites.includes(codename) &&
      components.includes('main'),
  );
  if (!own) return null;
  return own.signedBy ? { uri: own.uri, signedBy: own.signedBy } : { uri: own.uri };
}

/** `deb [signed-by=/…] http://… bookworm main contrib` */
function oneLineEntries(text: string): Entry[] {
  return text.split('\n').flatMap((line) => {
    const found = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]*)/.exec(line);
    if (!found) return [];
    const [, options = '', uri = '', suite = '', components = ''] = found;
    const signedBy = /(?:^|\s)signed-by=(\/\S+)/i.exec(options)?.[1];
    return [{ uri, suites: [suite], components: words(components), signedBy }];
  });
}

/** deb822: paragraphs of `Key: value`, continued by indented lines. */
function stanzaEntries(text: string): Entry[] {
  const withoutComments = text.replace(/^#.*\n?/gm, '');
  return withoutComments.split(/\n\s*\n/).flatMap((paragraph) => {
    const fields = new Map<string, string>();
    for (const found of paragraph.matchAll(/^([A-Za-z-]+):[ \t]*((?:.*)(?:\n[ \t]+.*)*)/gm)) {
      fields.set(found[1]!.toLowerCase(), found[2]!);
    }
    if (!words(fields.get('types')).includes('deb') || fields.get('enabled')?.trim() === 'no') return [];
    const signedBy = fields.get('signed-by')?.trim();
    const keyring = signedBy && /^\/\S+$/.test(signedBy) ? signedBy : undefined;
    const [suites, components] = [words(fields.get('suites')), words(fields.get('components'))];
    return words(fields.get('uris')).map((uri) => ({ uri, suites, components, signedBy: keyring }));
  });
}

function words(text = ''): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

/** Value of a key in os-release text; '' when it is absent. */
export function osRelease(text: string, key: string): string {
  return new RegExp(`^${key}="?([^"\\n]*)"?$`, 'm').exec(text)?.[1] ?? '';
}
