/** What the configuration of the test's Apache is made from. All paths are absolute, all ports on 127.0.0.1. */
export interface ApacheSettings {
  folder: string
  modules: string
  /** Whom a parent that is root makes its children; undefined: the parent is not root. */
  user: string | undefined
  certificate: string
  key: string
  ca: string
  gatewayPort: number
  /** A loopback address. */
  proxyAddress: string
  issuer: URL
  rp: URL
  /** Path of the redirect URI on `rp`. */
  callback: string
  clientId: string
  clientSecret: string
  passphrase: string
  scope: string
  logLevel: string
}

const MODULES = [
  'mpm_event',
  'authn_core',
  'authz_core',
  'authz_user',
  'auth_openidc',
  'dir',
  'headers',
  'include',
  'mime',
  'proxy',
  'proxy_http',
  'ssl',
]

/** Claims that the pages of the relying party show. */
export const SHOWN_CLAIMS = [
  'iss',
  'sub',
  'acr',
  'amr',
  'auth_time',
  'sid',
  'email',
  'name',
  'preferred_username',
  'groups',
] as const

/** One server with two hosts: the proxy in front of the gateway, and a relying party of that gateway. */
export function apacheConfig(settings: ApacheSettings): string {
  return [base(settings), proxy(settings), relyingParty(settings)].join('\n')
}

function base({ folder, modules, user, issuer, rp, logLevel }: ApacheSettings): string {
  return `
ServerRoot "${folder}"
DefaultRuntimeDir "${folder}"
PidFile "${folder}/httpd.pid"
ServerName localhost
${user === undefined ? '' : `User ${user}\nGroup ${user}`}
${MODULES.map((name) => `LoadModule ${name}_module "${modules}/mod_${name}.so"`).join('\n')}
StartServers 1
MinSpareThreads 1
ServerLimit 1
ThreadsPerChild 25
MaxRequestWorkers 25
Listen 127.0.0.1:${issuer.port} https
Listen 127.0.0.1:${rp.port} https
ErrorLog "${folder}/error.log"
LogLevel ${logLevel}
SSLSessionCache none
TypesConfig /dev/null
AddType text/html .html
<Directory />
  Require all denied
</Directory>`
}

function tls({ certificate, key }: ApacheSettings): string {
  return `SSLEngine on
  SSLCertificateFile "${certificate}"
  SSLCertificateKeyFile "${key}"`
}

function proxy(settings: ApacheSettings): string {
  const { issuer, gatewayPort, proxyAddress } = settings
  return `
<VirtualHost 127.0.0.1:${issuer.port}>
  ServerName ${issuer.hostname}
  ${tls(settings)}
  ProxyPreserveHost On
  # X-Forwarded-For and -Host are added by mod_proxy itself.
  RequestHeader set X-Forwarded-Proto https
  ProxySourceAddress ${proxyAddress}
  # A gateway that starts after Apache is asked again at once.
  ProxyPass / http://127.0.0.1:${gatewayPort}/ retry=0
</VirtualHost>`
}

function relyingParty(settings: ApacheSettings): string {
  const { folder, rp, issuer, ca, callback, clientId, clientSecret, passphrase, scope } = settings
  return `
<VirtualHost 127.0.0.1:${rp.port}>
  ServerName ${rp.hostname}
  ${tls(settings)}
  DocumentRoot "${folder}/pages"
  OIDCProviderMetadataURL ${issuer.origin}/.well-known/openid-configuration
  OIDCClientID ${clientId}
  OIDCClientSecret "${clientSecret}"
  OIDCRedirectURI ${rp.origin}${callback}
  OIDCResponseType code
  OIDCPKCEMethod S256
  OIDCScope "${scope}"
  OIDCCryptoPassphrase "${passphrase}"
  OIDCSessionType server-cache
  OIDCCABundlePath "${ca}"
  OIDCDefaultLoggedOutURL ${rp.origin}/signed-out.html
  OIDCPassClaimsAs environment
  OIDCHTMLErrorTemplate "${folder}/error.html"
  <Directory "${folder}/pages">
    Require all granted
    Options +Includes
    SetOutputFilter INCLUDES
  </Directory>
  <Location ${callback}>
    AuthType openid-connect
    Require valid-user
  </Location>
  <Location /any>
    AuthType openid-connect
    Require valid-user
  </Location>
  <Location /mfa>
    AuthType openid-connect
    AuthzSendForbiddenOnFailure On
    Require claim acr:urn:stepgate:acr:mfa
  </Location>
  <Location /step-up>
    AuthType openid-connect
    OIDCPathAuthRequestParams acr_values=urn:stepgate:acr:mfa
    OIDCUnAutzAction auth
    Require claim acr:urn:stepgate:acr:mfa
  </Location>
  <Location /aged>
    AuthType openid-connect
    OIDCPathAuthRequestParams max_age=120
    Require valid-user
  </Location>
  <Location /phrh>
    AuthType openid-connect
    OIDCPathAuthRequestParams acr_values=phrh
    Require valid-user
  </Location>
</VirtualHost>`
}

/** File name below the folder → content. */
export function apachePages(): Record<string, string> {
  const frame = (title: string, main: string): string =>
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><main data-page="${title}">${main}</main></html>\n`
  const claims = SHOWN_CLAIMS.map(
    (name) => `<dt>${name}</dt><dd id="${name}"><!--#echo var="OIDC_CLAIM_${name}" --></dd>`,
  )
  const list = `<dl>${claims.join('')}</dl>`
  return {
    'pages/any/index.html': frame('any', list),
    'pages/mfa/index.html': frame('mfa', list),
    'pages/step-up/index.html': frame('step-up', list),
    'pages/aged/index.html': frame('aged', list),
    'pages/phrh/index.html': frame('phrh', list),
    'pages/signed-out.html': frame('signed-out-of-rp', 'Signed out'),
    'error.html': frame('rp-error', '<p id="error">%s</p><p id="description">%s</p>'),
  }
}
