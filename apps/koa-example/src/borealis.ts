import type { EmulatorOptions } from '@hq-oauth/emulator';

/** The second instance of a run on this machine: a registration and matters of its own, the same people. */
export const BOREALIS: EmulatorOptions = {
  instance: 'borealis',
  registrations: [{ clientId: '2040', displayName: 'Matter Browser North', tokenExpirationMs: 3_600_000 }],
  seed: {
    sites: [
      {
        id: 501,
        sitename: 'N-1107 Fjord ferries – Fleet charter',
        description: 'Shipping',
        totalsize: 524_288_000,
        deleteddocumentsize: 0,
      },
      {
        id: 502,
        sitename: 'N-1112 Merger of Lindholm and Ek',
        description: 'Mergers and acquisitions',
        totalsize: 1_717_986_918,
        deleteddocumentsize: 4_194_304,
      },
    ],
    isheets: [
      {
        id: 601,
        siteId: 501,
        title: 'Vessels',
        views: [{ viewid: 611, title: 'All vessels' }],
        columns: [
          { columnID: 621, title: 'Vessel', type: 'Single line text' },
          { columnID: 622, title: 'Delivery', type: 'Date' },
          { columnID: 623, title: 'Berths', type: 'Number' },
        ],
        rows: [
          { itemid: 631, cells: ['MF Nordlys', '2027-03-01', '412'] },
          { itemid: 632, cells: ['MF Havørn', '2027-06-15', '286'] },
        ],
      },
    ],
  },
};
